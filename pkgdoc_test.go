package ispctl_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strings"
	"testing"
)

// TestDocstrings wants a package comment in one file of each package, and a
// comment on every exported name.
func TestDocstrings(t *testing.T) {
	packages := map[string]int{}
	for file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		packages[path.Dir(file)] += 0
		if parsed.Doc != nil {
			packages[path.Dir(file)]++
		}
		for _, decl := range parsed.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: %s has no docstring", file, name)
			}
		}
	}
	for pkg, comments := range packages {
		if comments != 1 {
			t.Errorf("package %s has %d package comments, want one", pkg, comments)
		}
	}
}

// undocumented are the exported names of a declaration without a comment.
// Methods that satisfy an interface everybody knows need none.
func undocumented(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		known := map[string]bool{"Error": true, "Unwrap": true, "String": true, "Kind": true, "Len": true}
		if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) && (d.Recv == nil || !known[d.Name.Name]) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if d.Doc == nil && s.Doc == nil && s.Name.IsExported() {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				if d.Doc == nil && s.Doc == nil && s.Comment == nil && s.Names[0].IsExported() {
					names = append(names, s.Names[0].Name)
				}
			}
		}
	}
	return names
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}
