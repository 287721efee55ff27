# Few words: each target does all it needs, on a fresh Debian 12 or 13 with Go
# and root.

# libvirt is opened at run time, so that the binary links only libc and nothing
# of libvirt is needed to build it.
export GOFLAGS = -tags=libvirt_dlopen
CACHE ?= /var/cache/ispctl
UNITS = /usr/lib/systemd/system
export ISPCTL_CACHE ?= $(CACHE)/images

.PHONY: help demo test test-all build lint bench docs install packages

help: ## print this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: packages build ## bring up a private provider with real guests, and prove what it promises
	bin/ispctl demo up

test: packages build lint ## run the linters and all tests: pure, kernel and guest rings, and the laws on Debian 12 in QEMU
	go run ./internal/testrun $(TESTRUN)

test-all: packages build lint ## the same at length, and the kernel tests on Debian 12 and 13 in QEMU
	go run ./internal/testrun -all $(TESTRUN)

build: ## leave bin/ispctl
	go build -trimpath -o bin/ispctl ./cmd/ispctl

lint: ## go vet, gofumpt and staticcheck
	tools/lint.sh

bench: packages ## measure against the goals and print docs/benchmarks.md's figures
	go test -run '^$$' -bench 'NothingToDo|Create' -benchtime 20x -timeout 60m ./bench
	go test -run '^$$' -bench AgainstUsual -benchtime 10x -timeout 30m ./bench # takes virtinst, cloud-image-utils, libvirt-daemon-config-nwfilter, ebtables
	go test -run '^$$' -bench . ./net/firewall
	go test -run '^$$' -bench Overlay -benchtime 30x ./images
	go test -run '^$$' -bench Shapers -benchtime 3x -timeout 60m ./bench
	go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./qos
	go test -run '^$$' -bench 'Peers|Tunnel' -benchtime 10x -timeout 30m ./bench
	go test -run '^$$' -bench 'ReadCounters|Book|Sample|CloseMonth' -benchtime 20x -timeout 30m ./bench
	go test -run '^$$' -bench Serve -benchtime 12x -timeout 30m ./bench
	go test -run '^$$' -bench Apply -benchtime 1x -count 3 -timeout 60m ./bench

docs: ## write the command reference anew
	go run ./internal/docgen docs/reference

install: build ## install the binary, its man pages, its completion and its units
	install -D -m 0755 bin/ispctl $(DESTDIR)/usr/sbin/ispctl
	install -D -m 0644 -t $(DESTDIR)$(UNITS) systemd/ispctl.service systemd/ispctl-confirm.service systemd/ispctl-vpn.service systemd/ispctl-guests.service
	install -d $(DESTDIR)$(UNITS)/multi-user.target.wants
	ln -sf -t $(DESTDIR)$(UNITS)/multi-user.target.wants ../ispctl.service ../ispctl-confirm.service ../ispctl-vpn.service ../ispctl-guests.service
	install -D -m 0644 systemd/ispctl.sysusers $(DESTDIR)/usr/lib/sysusers.d/ispctl.conf
	go run ./internal/docgen -man $(DESTDIR)/usr/share/man/man1
	install -d $(DESTDIR)/usr/share/bash-completion/completions
	bin/ispctl completion bash > $(DESTDIR)/usr/share/bash-completion/completions/ispctl

packages: ## install the Debian packages that are missing
	tools/packages.sh
