package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ispctl"
)

// CreateOverlay makes path an empty qcow2 over a raw backing file, whose name
// it records as given (an absolute path, then). The disk is size bytes, a
// multiple of 512, and reads as zeros beyond the end of the backing file.
//
// It writes and syncs a file beside path and renames it into place; a crash
// leaves nothing under the name or the whole. An overlay of that backing file
// that is there already is left alone, whatever its size; any other file is
// left alone and an error of kind [ispctl.Conflict]. Other errors are the
// file system's.
func CreateOverlay(path, backing string, size ispctl.Size) error {
	l, err := encodeOverlay(Overlay{Backing: backing, Size: size})
	if err != nil {
		return ispctl.Invalid("disk", path, "%v", err)
	}
	err = writeDurably(path, unix.RENAME_NOREPLACE, func(f *os.File) error {
		for offset, piece := range l.pieces {
			if _, err := f.WriteAt(piece, offset); err != nil {
				return err
			}
		}
		return f.Truncate(l.length)
	})
	if errors.Is(err, fs.ErrExist) {
		return agreeOn(path, backing)
	}
	if err != nil {
		return fmt.Errorf("create overlay %s: %w", path, err)
	}
	return nil
}

// agreeOn checks that what is at path is what CreateOverlay would have made.
func agreeOn(path, backing string) error {
	have, err := ReadOverlay(path)
	if err != nil {
		return &ispctl.Error{
			Kind: ispctl.Conflict, Object: "disk " + path, Cause: "is in the way and no overlay", Err: err,
			Next: "move it away",
		}
	}
	if have.Backing != backing {
		return ispctl.Conflicting("disk", path, "lies over %s, not %s; it is data, so it stays", have.Backing, backing)
	}
	return nil
}

// ReadOverlay reads the header of a qcow2 file, and only that, without trust
// in it. An error means that the file cannot be read or is nothing that QEMU
// should be given as a guest's disk.
func ReadOverlay(path string) (Overlay, error) {
	f, err := os.Open(path)
	if err != nil {
		return Overlay{}, err
	}
	defer f.Close()
	// All of the header is in the first page, unless somebody else wrote it.
	const page = 4096
	for _, size := range []int{page, clusterSize} {
		head := make([]byte, size)
		n, errRead := f.ReadAt(head, 0)
		if errRead != nil && !errors.Is(errRead, io.EOF) {
			return Overlay{}, errRead
		}
		var o Overlay
		if o, err = decodeOverlay(head[:n]); err == nil {
			return o, nil
		}
	}
	return Overlay{}, fmt.Errorf("%s %w", path, err)
}

// GrowOverlay makes the disk size bytes, with zeros at its end. A disk that is
// as large already is left alone: none is ever shrunk. It fails while a guest
// has the disk open.
func GrowOverlay(ctx context.Context, path string, size ispctl.Size) error {
	have, err := ReadOverlay(path)
	if err != nil {
		return fmt.Errorf("grow overlay: %w", err)
	}
	if have.Size >= size {
		return nil
	}
	argv := growCommand(path, size)
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return missingTool(argv[0], "qemu-utils")
	case err != nil && strings.Contains(text, "lock"):
		return &ispctl.Error{
			Kind: ispctl.Conflict, Object: "disk " + path, Cause: "is in use and cannot grow: " + text,
			Next: "stop the VM, then: ispctl converge",
		}
	case err != nil:
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, text)
	}
	return nil
}

// growCommand names the format: probing would let a guest choose it.
func growCommand(path string, size ispctl.Size) []string {
	return []string{"qemu-img", "resize", "-q", "-f", "qcow2", path, strconv.FormatInt(int64(size), 10)}
}

// missingTool says which Debian package has a program that the host lacks.
func missingTool(program, pkg string) error {
	return &ispctl.Error{
		Kind: ispctl.Failed, Object: "program " + strconv.Quote(program),
		Cause: "is not installed", Next: "apt-get install " + pkg,
	}
}
