package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// A graph has, for each file, the files that it uses.
type graph map[string]map[string]bool

func (g graph) node(file string) {
	if g[file] == nil {
		g[file] = make(map[string]bool)
	}
}

func (g graph) add(from, to string) {
	g.node(from)
	g.node(to)
	if from != to {
		g[from][to] = true
	}
}

// reach is all that a file leads to, itself included.
func (g graph) reach(file string) map[string]bool {
	seen := make(map[string]bool)
	next := []string{file}
	for len(next) > 0 {
		f := next[len(next)-1]
		next = next[:len(next)-1]
		if !seen[f] {
			seen[f] = true
			next = slices.AppendSeq(next, maps.Keys(g[f]))
		}
	}
	return seen
}

// circles are the sets of two files or more in which each leads to every other.
func circles(g graph) (all [][]string) {
	reach := make(map[string]map[string]bool)
	for f := range g {
		reach[f] = g.reach(f)
	}
	done := make(map[string]bool)
	for _, f := range slices.Sorted(maps.Keys(g)) {
		if done[f] {
			continue
		}
		var circle []string
		for _, to := range slices.Sorted(maps.Keys(reach[f])) {
			if reach[to][f] {
				circle = append(circle, to)
				done[to] = true
			}
		}
		if len(circle) > 1 {
			all = append(all, circle)
		}
	}
	return all
}

// openLower are the files of the lower floor that lead to the upper one.
func openLower(g graph) (open []string) {
	for _, f := range slices.Sorted(maps.Keys(g)) {
		reach := g.reach(f)
		if !slices.Contains(upperRooms, firstWord(f)) && slices.ContainsFunc(upperFiles, func(u string) bool {
			return reach[u]
		}) {
			open = append(open, f)
		}
	}
	return open
}

// firstWord is the room of a file: what stands before the first underscore.
func firstWord(file string) string {
	word, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".go"), "_")
	return word
}

func firstWords(g graph) []string {
	words := make(map[string]bool)
	for f := range g {
		words[firstWord(f)] = true
	}
	return slices.Sorted(maps.Keys(words))
}
