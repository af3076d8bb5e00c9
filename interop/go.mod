module sessl/interop

go 1.26.0

require (
	golang.org/x/net v0.62.0
	sessl v0.0.0
	sessl/valkeystore v0.0.0
)

require (
	github.com/valkey-io/valkey-go v1.0.79 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace sessl => ../

replace sessl/valkeystore => ../valkeystore
