// Command ispctl turns one Linux box into a compartmentalised virtual Internet
// service provider.
package main

import (
	"os"

	"ispctl/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
