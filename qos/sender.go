package qos

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where struct __sk_buff (linux/bpf.h) has what a program looks at, and sets.
const (
	skbQueue    = 12
	skbPriority = 32
)

// ebpf is one instruction (struct bpf_insn).
type ebpf struct {
	code     byte
	dst, src byte
	off      int16
	imm      int32
}

// sender is the program that matches what is for a crowd, and says which of its
// queues it is for: a program in classic BPF sees neither. A number of no queue
// at all is one too little, as the kernel counts those.
func sender(crowd int) []ebpf {
	const r0, r1, r2, r3 = 0, 1, 2, 3
	return []ebpf{
		{code: unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W, dst: r2, src: r1, off: skbPriority},
		{code: unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_X, dst: r3, src: r2},
		{code: unix.BPF_ALU64 | unix.BPF_RSH | unix.BPF_K, dst: r3, imm: 8},
		{code: unix.BPF_JMP | unix.BPF_JNE | unix.BPF_K, dst: r3, off: 5, imm: int32(Major<<8 | crowd)},
		{code: unix.BPF_ALU64 | unix.BPF_AND | unix.BPF_K, dst: r2, imm: 0xff},
		{code: unix.BPF_ALU64 | unix.BPF_ADD | unix.BPF_K, dst: r2, imm: 1},
		{code: unix.BPF_STX | unix.BPF_MEM | unix.BPF_W, dst: r1, src: r2, off: skbQueue},
		{code: unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_K, dst: r0, imm: -1}, // it matches
		{code: unix.BPF_JMP | unix.BPF_EXIT},
		{code: unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_K, dst: r0, imm: 0}, // it does not
		{code: unix.BPF_JMP | unix.BPF_EXIT},
	}
}

// senderName is what the program is called where filters are listed. It changes
// with what the program does, so that one of another version is put in its place.
func senderName(crowd int) string { return fmt.Sprintf("ispctl-crowd-%d-v1", crowd) }

// loadSender hands the program to the kernel, which keeps it as long as a filter
// or the descriptor has it (bpf(2)).
func loadSender(crowd int) (fd int, err error) {
	var code []byte
	for _, i := range sender(crowd) {
		code = append(code, i.code, i.dst|i.src<<4)
		code = binary.NativeEndian.AppendUint16(code, uint16(i.off))
		code = binary.NativeEndian.AppendUint32(code, uint32(i.imm))
	}
	license := text("BSD")
	load := struct { // the first part of union bpf_attr
		kind, count uint32
		code        uint64
		license     uint64
		logLevel    uint32
		logSize     uint32
		log         uint64
		version     uint32
		flags       uint32
		name        [unix.BPF_OBJ_NAME_LEN]byte
	}{
		kind: unix.BPF_PROG_TYPE_SCHED_CLS, count: uint32(len(code) / 8),
		code: uint64(uintptr(unsafe.Pointer(&code[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0]))),
	}
	copy(load.name[:], "ispctl_crowd")
	n, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&load)), unsafe.Sizeof(load))
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	if errno != 0 {
		return -1, fmt.Errorf("load a program into the kernel: %w", errno)
	}
	return int(n), nil
}
