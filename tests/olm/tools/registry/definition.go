package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

// definition writes a CustomResourceDefinition whose schema is that of a field table (path, type, constraints), with everything else taken from another
// definition: how the one of the Go operator looks to a check that compares definitions.
func definition(table, like string, out io.Writer) error {
	text, err := os.ReadFile(like)
	if err != nil {
		return err
	}
	var whole map[string]any
	if err := yaml.Unmarshal(text, &whole); err != nil {
		return fmt.Errorf("%s: %w", like, err)
	}
	schema, err := schemaOf(table)
	if err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	spec, _ := whole["spec"].(map[string]any)
	versions, _ := spec["versions"].([]any)
	if len(versions) != 1 {
		return fmt.Errorf("%s has %d versions, not one", like, len(versions))
	}
	version, _ := versions[0].(map[string]any)
	version["schema"] = map[string]any{"openAPIV3Schema": schema}
	written, err := yaml.Marshal(whole)
	if err != nil {
		return err
	}
	_, err = out.Write(written)
	return err
}

func schemaOf(table string) (map[string]any, error) {
	file, err := os.Open(table)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	root := map[string]any{"type": "object", "properties": map[string]any{
		"apiVersion": map[string]any{"type": "string"},
		"kind":       map[string]any{"type": "string"},
		"metadata":   map[string]any{"type": "object"},
	}}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		columns := strings.SplitN(lines.Text(), "\t", 3)
		if len(columns) < 2 {
			return nil, fmt.Errorf("line %q", lines.Text())
		}
		parent, field, kind := root, "", "properties"
		for _, name := range strings.Split(strings.NewReplacer("[]", ".[]", "{}", ".{}").Replace(columns[0]), ".") {
			if field != "" || kind != "properties" {
				parent = child(parent, kind, field)
			}
			switch name {
			case "[]":
				field, kind = "", "items"
			case "{}":
				field, kind = "", "additionalProperties"
			default:
				field, kind = name, "properties"
			}
		}
		if err := describe(child(parent, kind, field), columns[1]); err != nil {
			return nil, err
		}
		if len(columns) == 3 {
			if err := constrain(parent, child(parent, kind, field), field, columns[2]); err != nil {
				return nil, fmt.Errorf("line %q: %w", lines.Text(), err)
			}
		}
	}
	return root, lines.Err()
}

// child finds or makes the schema of a field, of items or of additional properties.
func child(parent map[string]any, kind, field string) map[string]any {
	within, key := parent, kind
	if kind == "properties" {
		if parent[kind] == nil {
			parent[kind] = map[string]any{}
		}
		within, key = parent[kind].(map[string]any), field
	}
	if within[key] == nil {
		within[key] = map[string]any{}
	}
	return within[key].(map[string]any)
}

func describe(schema map[string]any, kind string) error {
	name, format, formatted := strings.Cut(kind, ":")
	switch {
	case name == "int-or-string":
		schema["x-kubernetes-int-or-string"] = true
		schema["anyOf"] = []any{map[string]any{"type": "integer"}, map[string]any{"type": "string"}}
	case name == "":
		return fmt.Errorf("no type")
	default:
		schema["type"] = name
	}
	if formatted {
		schema["format"] = format
	}
	return nil
}

var written = map[string]string{
	"map-type": "x-kubernetes-map-type", "list-type": "x-kubernetes-list-type", "list-map-keys": "x-kubernetes-list-map-keys",
	"default": "default", "minimum": "minimum", "maximum": "maximum", "pattern": "pattern", "enum": "enum",
	"minLength": "minLength", "maxLength": "maxLength", "minItems": "minItems", "maxItems": "maxItems", "format": "format",
}

// constrain reads `required` and `name=JSON`, separated by blanks.
func constrain(parent, schema map[string]any, field, text string) error {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		if rest, found := strings.CutPrefix(text, "required"); found && (rest == "" || rest[0] == ' ') {
			list, _ := parent["required"].([]any)
			parent["required"], text = append(list, field), rest
			continue
		}
		name, rest, found := strings.Cut(text, "=")
		key, known := written[name]
		if !found || !known {
			return fmt.Errorf("constraint %q", text)
		}
		decoder := json.NewDecoder(strings.NewReader(rest))
		var value any
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		schema[key], text = value, rest[decoder.InputOffset():]
	}
	return nil
}
