package main

import (
	"bufio"
	"fmt"
	"os"
	"time"

	"sessl/internal/clock"
	"sessl/internal/fakeclock"
)

// useClock sets the clock of the program as asClock says.
func useClock() {
	skew, err := time.ParseDuration(os.Getenv(asClock))
	if err != nil {
		return
	}
	clock.Watch()
	fakeclock.Move(skew)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			by, err := time.ParseDuration(lines.Text())
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				continue
			}
			fakeclock.Move(by)
			fmt.Printf("clock moved by %v\n", by)
		}
	}()
}
