package testkit

// What kernels have and lack. Each is tried in a network namespace that is
// thrown away, with the words an operator would use.
var (
	VLAN          = tried("vlan", "ip link add x0 type veth peer name x1; ip link add link x0 name x0.10 type vlan id 10")
	VLANFiltering = tried("vlan_filtering", "ip link add br0 type bridge vlan_filtering 1 vlan_default_pvid 0; ip link add x0 type veth peer name x1; ip link set x0 master br0; bridge vlan add dev x0 vid 10 pvid untagged")
	VRF           = tried("vrf", "ip link add x0 type vrf table 10")
	Dummy         = tried("dummy", "ip link add x0 type dummy")
	IFB           = tried("ifb", "ip link add x0 type ifb")
	Bonding       = tried("bonding", "ip link add x0 type bond mode active-backup")
	VXLAN         = tried("vxlan", "ip link add x0 type vxlan id 10 dstport 4789 local 127.0.0.1")
	MACVTAP       = tried("macvtap", "ip link add x0 type veth peer name x1; ip link add link x0 name m0 type macvtap mode bridge")
	Tap           = tried("tap", "ip tuntap add dev x0 mode tap")
	WireGuard     = tried("wireguard", "ip link add x0 type wireguard; ip link set x0 up")
	IPVS          = tried("ipvs", "ipvsadm -A -t 192.0.2.1:80 -s rr")
)

// Queueing disciplines.
var (
	HTB     = tried("htb", "tc qdisc add dev lo root handle 1: htb; tc class add dev lo parent 1: classid 1:1 htb rate 1mbit")
	TBF     = tried("tbf", "tc qdisc add dev lo root tbf rate 1mbit burst 128k latency 50ms")
	FQCodel = tried("fq_codel", "tc qdisc add dev lo root fq_codel")
	FQ      = tried("fq", "tc qdisc add dev lo root fq")
	CAKE    = tried("cake", "tc qdisc add dev lo root cake bandwidth 10mbit")
	SFQ     = tried("sfq", "tc qdisc add dev lo root sfq")
	Prio    = tried("prio", "tc qdisc add dev lo root prio")
	Netem   = tried("netem", "tc qdisc add dev lo root netem delay 1ms")
)

// Filters and actions of tc.
var (
	U32      = tried("u32", "tc qdisc add dev lo ingress; tc filter add dev lo ingress protocol all u32 match u32 0 0")
	Flower   = tried("flower", "tc qdisc add dev lo ingress; tc filter add dev lo ingress protocol ip flower ip_proto tcp action drop")
	Matchall = tried("matchall", "tc qdisc add dev lo ingress; tc filter add dev lo ingress protocol all matchall action drop")
	FW       = tried("fw", "tc qdisc add dev lo ingress; tc filter add dev lo ingress protocol all handle 1 fw action drop")
	Police   = tried("police", "tc qdisc add dev lo ingress; tc filter add dev lo ingress protocol all u32 match u32 0 0 action police rate 1mbit burst 64k")
	Mirred   = tried("mirred", "tc qdisc add dev lo ingress; tc filter add dev lo ingress protocol all u32 match u32 0 0 action mirred egress redirect dev lo")
)

// What a rule of nftables can say.
var (
	NAT             = tried("nft nat", "nft 'table inet t { chain c { type nat hook postrouting priority 100; masquerade; }; }'")
	Flowtable       = tried("nft flowtable", "nft 'table inet t { flowtable f { hook ingress priority 0; devices = { lo }; }; chain c { type filter hook forward priority 0; meta l4proto tcp flow add @f; }; }'")
	FIB             = tried("nft fib", "nft 'table inet t { chain c { type filter hook prerouting priority 0; fib saddr . iif oif missing drop; }; }'")
	Conntrack       = tried("nft ct state", "nft 'table inet t { chain c { type filter hook input priority 0; ct state established,new accept; }; }'")
	ConnCount       = tried("nft ct count", "nft 'table inet t { chain c { type filter hook input priority 0; ct count over 10 drop; }; }'")
	NetdevForward   = tried("nft fwd", "nft 'table netdev t { chain c { type filter hook ingress device lo priority 0; fwd to lo; }; }'")
	BridgeConntrack = tried("nft ct state in family bridge", "nft 'table bridge t { chain c { type filter hook forward priority 0; ct state established accept; }; }'")
	BridgeMeta      = tried("nft meta ibrname", "nft 'table bridge t { chain c { type filter hook forward priority 0; meta ibrname br drop; }; }'")
	BridgeReject    = tried("nft reject in family bridge", "nft 'table bridge t { chain c { type filter hook prerouting priority 0; reject; }; }'")
)

// Features are all of the above: what the lab promises.
func Features() []Feature {
	return []Feature{
		Root,
		VLAN, VLANFiltering, VRF, Dummy, IFB, Bonding, VXLAN, MACVTAP, Tap, WireGuard, IPVS,
		HTB, TBF, FQCodel, FQ, CAKE, SFQ, Prio, Netem,
		U32, Flower, Matchall, FW, Police, Mirred,
		NAT, Flowtable, FIB, Conntrack, ConnCount, NetdevForward, BridgeConntrack, BridgeMeta, BridgeReject,
	}
}
