// Package templates says which image a guest is made from and what it is told
// at its first boot. It is pure but for [Load], which reads the operator's
// directory.
//
// A template is a YAML file, as those in builtin/ are; one may come `from`
// another. A seed is the set of files on a guest's second disk, once for
// cloud-init (NoCloud: meta-data, user-data, network-config version 2) and once
// as plain lines under ispctl/, for guests that are too small for cloud-init or
// take from it only what may come after SSH:
//
//	ispctl/instance         the instance id
//	ispctl/hostname         the host name
//	ispctl/domain           the domain it is in
//	ispctl/login            the user whom the keys let in
//	ispctl/console          login, or none
//	ispctl/authorized_keys  one key a line
//	ispctl/host_key         private, as OpenSSH has it; host_key.db: as dropbear has it; host_key.pub: public
//	ispctl/network          one NIC a line: MAC ADDRESS/LENGTH GATEWAY, `-` for none
//	ispctl/resolvers        one DNS resolver a line
//	ispctl/files.tar        what the template writes at the first boot
//	ispctl/steps/001        what it runs then: arguments, a zero after each
//
// The same input gives the same bytes.
package templates
