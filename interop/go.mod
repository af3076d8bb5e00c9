module sessl/interop

go 1.26.0

require (
	golang.org/x/net v0.62.0
	sessl v0.0.0
)

replace sessl => ../
