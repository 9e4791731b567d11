// The root of the module; what it is built from is in versions/*/go.mod, chosen by -modfile.
module starrocks-operator/tests/controlplane

go 1.26.0
