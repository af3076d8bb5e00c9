module sessl/benchmarks

go 1.26.0

require sessl v0.0.0

replace sessl => ../
