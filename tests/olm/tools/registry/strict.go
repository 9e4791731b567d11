package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	kubernetes "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/operator-framework/api/pkg/operators/v1alpha1"
)

// misspelt finds names in ClusterServiceVersions that no validator misses because they match names without regard to case and pass over the rest: an API
// server drops such a field, and with it what it said.
func misspelt(folder string) []finding {
	var found []finding
	files, err := filepath.Glob(filepath.Join(folder, "manifests", "*.yaml"))
	if err != nil {
		return []finding{{Check: "strict", Level: "Error", Detail: err.Error()}}
	}
	for _, path := range files {
		for _, problem := range misspeltIn(path) {
			found = append(found, finding{Check: "strict", Level: "Error", Object: filepath.Base(path), Detail: problem})
		}
	}
	return found
}

func misspeltIn(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return []string{err.Error()}
	}
	if strings.Contains("\n"+string(text), "\n---\n") && !strings.HasPrefix(string(text), "---\n") {
		return []string{"more than one document: only the first is read"}
	}
	document, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return []string{err.Error()}
	}
	if !strings.Contains(string(document), `"kind":"ClusterServiceVersion"`) {
		return nil
	}
	var version v1alpha1.ClusterServiceVersion
	unknown, err := kubernetes.UnmarshalStrict(document, &version)
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	for _, one := range unknown {
		problems = append(problems, one.Error())
	}
	for name, value := range version.Annotations {
		// The console takes everything but the plain word for a yes.
		if strings.HasPrefix(name, "features.operators.openshift.io/") && value != "true" && value != "false" {
			problems = append(problems, fmt.Sprintf("annotation %s is %q, neither true nor false", name, value))
		}
	}
	return problems
}
