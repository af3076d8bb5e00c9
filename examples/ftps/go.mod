module sessl/examples/ftps

go 1.26.0

require (
	github.com/jlaffaye/ftp v0.2.4
	sessl v0.0.0
)

replace sessl => ../..
