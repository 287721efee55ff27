package dhcp

// HostFiles are the two files a server reads again.
func (s Server) HostFiles() (names, macs string) {
	files := s.files()
	return files[namesFile], files[macsFile]
}
