// Package nft holds nftables tables as data and brings the kernel's to them. It
// is what the layers firewall and nat share; it knows neither.
//
// A table has a structure (chains, rules, the types of its sets) and elements.
// The structure says what is done; it changes with an upgrade of ispctl, hardly
// ever otherwise, and is replaced as a whole in one transaction. The elements
// say to whom; they are added and removed one by one. So the cost of one more
// VM does not grow with their number, and no packet ever meets half a rule set.
//
// # Ownership
//
// A table is ours by its name, [ispctl.Installation.Table], alone or with a dot
// and the name of a part ([Part]). Nothing in any other table is read or
// written. Within ours every rule bears a comment that
// ends in a digest of its own text: a rule that someone deleted, added, moved
// or put in another's place is seen. Expressions are never decoded: the
// libraries lose what they do not know.
//
// What packets themselves put into dynamic sets ([CountIn]) is no part of a
// state. It is read with Counts, and lives until the table it is in is
// replaced; so it belongs into a table that has nothing else to be replaced
// for.
//
// A [Stmt] carries both the expressions for the kernel and the text of nft(8),
// and the tests hold one against the other through the real nft.
//
// Sources: nft(8), https://wiki.nftables.org, and linux/netfilter/nf_tables.h.
package nft
