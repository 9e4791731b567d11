package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Everything together may take as long as this; operator-sdk would stop after half a minute.
const scorecardTime = 10 * time.Minute

type scorecardConfig struct {
	Stages []struct {
		Tests []struct {
			Entrypoint []string          `json:"entrypoint"`
			Labels     map[string]string `json:"labels"`
		} `json:"tests"`
	} `json:"stages"`
}

// What a test prints: this and nothing else.
type testStatus struct {
	Results []struct {
		Name        string   `json:"name"`
		State       string   `json:"state"`
		Log         string   `json:"log"`
		Errors      []string `json:"errors"`
		Suggestions []string `json:"suggestions"`
	} `json:"results"`
}

// scorecard runs every test of a bundle's configuration as a process, as a pod of it would: the bundle at /bundle (which must be there already), standard
// output and error read as one document. One line per result.
func scorecard(config string, out io.Writer) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	var parsed scorecardConfig
	if err := yaml.Unmarshal(text, &parsed); err != nil {
		return fmt.Errorf("%s: %w", config, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scorecardTime)
	defer cancel()
	ran, failed := 0, 0
	for _, stage := range parsed.Stages {
		for _, test := range stage.Tests {
			ran++
			suite, name := test.Labels["suite"], test.Labels["test"]
			status, err := runTest(ctx, test.Entrypoint)
			if err != nil {
				failed++
				fmt.Fprintf(out, "%s\t%s\terror\t%v\n", suite, name, err)
				continue
			}
			for _, result := range status.Results {
				remark := strings.Join(append(result.Errors, result.Suggestions...), "; ")
				if result.State != "pass" {
					failed++
				}
				fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", suite, result.Name, result.State, remark)
			}
		}
	}
	if ran == 0 {
		return errors.New("the configuration names no test")
	}
	if failed > 0 {
		return fmt.Errorf("%d results are not passes", failed)
	}
	return nil
}

func runTest(ctx context.Context, entrypoint []string) (testStatus, error) {
	var status testStatus
	if len(entrypoint) == 0 {
		return status, errors.New("no entrypoint")
	}
	// Wherever an image has its program, here it is in the PATH.
	command := exec.CommandContext(ctx, filepath.Base(entrypoint[0]), entrypoint[1:]...)
	command.Env = append(os.Environ(), "SCORECARD_NAMESPACE=scorecard")
	var both bytes.Buffer
	command.Stdout, command.Stderr = &both, &both
	ended := command.Run()
	var exit *exec.ExitError
	if ended != nil && !errors.As(ended, &exit) {
		return status, ended
	}
	if err := json.Unmarshal(both.Bytes(), &status); err != nil {
		shown := both.String()
		return status, fmt.Errorf("%s does not print one result document: %q", strings.Join(entrypoint, " "), shown[:min(len(shown), 300)])
	}
	if len(status.Results) == 0 {
		return status, errors.New("no result, which scorecard itself would let pass")
	}
	return status, nil
}
