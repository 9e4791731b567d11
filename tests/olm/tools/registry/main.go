// olmtool checks a bundle folder with every validator of the newest operator-framework/api, and renders a catalog from bundle folders by the semver template.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	"github.com/sirupsen/logrus"

	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
	results "github.com/operator-framework/api/pkg/validation/errors"
	interfaces "github.com/operator-framework/api/pkg/validation/interfaces"
	"github.com/operator-framework/operator-registry/pkg/lib/bundle"
)

const usage = `usage: olmtool validate BUNDLE                         every validator; JSON out; exit code 1 on any error or warning
       olmtool render TEMPLATE OUTPUT [IMAGE]    a catalog by the semver template, whose images are folders beside the template's folder
       olmtool definition FIELDS DEFINITION           the definition with the schema of a field table
       olmtool scorecard CONFIG                       every test of it as a process, the bundle at /bundle; exit code 1 unless all pass
`

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "validate":
		err = validate(os.Args[2], os.Stdout)
	case len(os.Args) == 4 && os.Args[1] == "render":
		err = render(context.Background(), os.Args[2], os.Args[3], "")
	case len(os.Args) == 5 && os.Args[1] == "render":
		err = render(context.Background(), os.Args[2], os.Args[3], os.Args[4])
	case len(os.Args) == 4 && os.Args[1] == "definition":
		err = definition(os.Args[2], os.Args[3], os.Stdout)
	case len(os.Args) == 3 && os.Args[1] == "scorecard":
		err = scorecard(os.Args[2], os.Stdout)
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "olmtool: %v\n", err)
		os.Exit(1)
	}
}

// A finding of any validator, one shape for all.
type finding struct {
	Check  string `json:"check"`
	Level  string `json:"level"`
	Object string `json:"object,omitempty"`
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail"`
}

// The suites that operator-sdk makes optional are not optional here. The multiple-architectures one needs a container runtime, and the deprecated ones are left out.
var validators = []struct {
	name      string
	validator interfaces.Validator
}{
	{"bundle", validation.BundleValidator},
	{"csv", validation.ClusterServiceVersionValidator},
	{"crd", validation.CustomResourceDefinitionValidator},
	{"operatorhubv2", validation.OperatorHubV2Validator},
	{"capabilities", validation.StandardCapabilitiesValidator},
	{"categories", validation.StandardCategoriesValidator},
	{"objects", validation.ObjectValidator},
	{"good-practices", validation.GoodPracticesValidator},
	{"deprecated-apis", validation.AlphaDeprecatedAPIsValidator},
}

func validate(folder string, out io.Writer) error {
	found, err := findings(folder)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(map[string]any{"bundle": filepath.Base(folder), "validators": len(validators) + 3, "findings": found}); err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("%d findings in %s", len(found), folder)
	}
	return nil
}

func findings(folder string) ([]finding, error) {
	found := []finding{}
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	layout := bundle.NewImageValidator(nil, logrus.NewEntry(silent))
	found = append(found, plain("format", layout.ValidateBundleFormat(folder))...)
	found = append(found, plain("content", layout.ValidateBundleContent(filepath.Join(folder, "manifests")))...)
	found = append(found, misspelt(folder)...)
	// From the root, not from manifests/: only then do the validators see the channels.
	loaded, err := load(folder)
	if err != nil {
		return append(found, finding{Check: "load", Level: "Error", Detail: err.Error()}), nil
	}
	objects := loaded.ObjectsToValidate()
	// What is removed up to the newest of these is an error, not a hint.
	objects = append(objects, map[string]string{"k8s-version": "1.26"})
	for _, each := range validators {
		for _, result := range each.validator.Validate(objects...) {
			found = append(found, judged(each.name, result)...)
		}
	}
	return found, nil
}

// load reads manifests/ and metadata/ alone: tests/ beside them holds no objects of the bundle.
func load(folder string) (*manifests.Bundle, error) {
	temporary, err := os.MkdirTemp("", "olmtool")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	for _, part := range []string{"manifests", "metadata"} {
		if err := os.CopyFS(filepath.Join(temporary, part), os.DirFS(filepath.Join(folder, part))); err != nil {
			return nil, err
		}
	}
	loaded, err := manifests.GetBundleFromDir(temporary)
	if err != nil {
		return nil, err
	}
	if loaded.CSV == nil {
		return nil, errors.New("no ClusterServiceVersion")
	}
	return loaded, nil
}

func plain(check string, err error) []finding {
	var several bundle.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &several):
		var found []finding
		for _, one := range several.Errors {
			found = append(found, finding{Check: check, Level: "Error", Detail: one.Error()})
		}
		return found
	default:
		return []finding{{Check: check, Level: "Error", Detail: err.Error()}}
	}
}

func judged(check string, result results.ManifestResult) []finding {
	var found []finding
	for _, one := range append(append([]results.Error{}, result.Errors...), result.Warnings...) {
		found = append(found, finding{Check: check, Level: string(one.Level), Object: result.Name, Field: one.Field, Detail: one.Error()})
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].Detail < found[j].Detail })
	return found
}
