module sessl

go 1.26
