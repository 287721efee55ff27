// Package fetch gets files from servers that are not trusted: over HTTP, to a
// file that a cut-off transfer is resumed in, and then by checksum and OpenPGP
// signature. Nothing it gets is fit to be read by anything else before one of
// the two has held.
//
// RFC 9110 (HTTP; 13.1.5 If-Range, 14 Range), RFC 9580 (OpenPGP); sha256sum(1) for
// lists of checksums.
package fetch
