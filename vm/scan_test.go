package vm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

var documents = []string{
	`<domain type='qemu'><name>isp-web1</name><metadata><i:vm xmlns:i="https://ispctl.invalid/xmlns/1" installation='isp' id="1" name="web1"/></metadata></domain>`,
	"<domain type=\"qemu\" >\n  <memory unit='KiB'>65536</memory>\n  <vcpu placement='static' >1</vcpu>\n</domain>\n",
	`<domain><os><kernel>/boot/a b</kernel><cmdline>root=/dev/vda quiet</cmdline></os></domain>`,
	`<domain><devices><disk type='file'><source file='/x'/><target dev='vda'/></disk><interface type='ethernet'><mac address='02:00:00:00:00:01'/></interface></devices></domain>`,
	`<domain><name>a&amp;b</name></domain>`, `<domain><!-- c --><name>a</name></domain>`, `<?xml version="1.0"?><domain/>`,
	`<domain><name>grün</name></domain>`, `<domain><name a=">">x</name></domain>`, `<domain><![CDATA[<name>x</name>]]></domain>`,
	`<domain></name>`, `<domain>`, `<domain a=1/>`, `<domain a='1'b='2'/>`, `<a:b:c/>`, `<:a/>`, `<1/>`, "<domain>\r\n</domain>", `]]>`, `<a><b></a></b>`,
}

// TestScanTakesWhatLibvirtPrints keeps the short way from being one that nobody
// goes.
func TestScanTakesWhatLibvirtPrints(t *testing.T) {
	for i, document := range documents {
		if got, want := scan(document, &reader{}), i < 4; got != want {
			t.Errorf("scan takes %s: %t, want %t", document, got, want)
		}
	}
}

// FuzzScan holds the short way against encoding/xml: what it takes they must
// take too, and see the same.
func FuzzScan(f *testing.F) {
	for _, document := range documents {
		f.Add(document)
	}
	f.Fuzz(func(t *testing.T, document string) {
		short, long := reader{installation: "isp"}, reader{installation: "isp"}
		if !scan(document, &short) {
			return
		}
		if err := walk([]byte(document), &long); err != nil {
			t.Fatalf("scan takes %q, and encoding/xml says %v", document, err)
		}
		if diff := cmp.Diff(long.domain, short.domain); diff != "" || long.ours != short.ours {
			t.Errorf("scan sees in %q (-encoding/xml +scan):\n%s", document, diff)
		}
	})
}
