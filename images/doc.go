// Package images is the disks that guests run from: the store of immutable
// images, the recipes that build them, and, as a layer, the two files each
// guest has on top: an overlay of its own and the seed that tells it who it is.
//
// The layer owns the directories of [ispctl.Paths.Guests] that hold the file
// ispctl.json naming this installation and the directory's own name: that file
// is the ownership mark. It is there from the directory's first moment, since a
// directory is made beside its place and renamed into it. A directory without
// the mark is foreign, whatever it is called; the exception is `.UUID.tmp`, a
// name only this layer makes: a directory half made, or half removed.
//
// What the layer never does: shrink a disk, or put another one in the place of
// one that is there. A guest's disk is data. So two facts of an overlay are
// history rather than intent, its backing file and the part of its size that
// exceeds the plan: where they differ from the model, Diff asks for nothing.
//
// Formats: QEMU's docs/interop/qcow2.rst for overlays; ECMA-119 (ISO 9660) and
// cloud-init's NoCloud datasource for seeds; qemu-img(1), rm(1).
package images
