package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"github.com/operator-framework/operator-registry/alpha/action"
	"github.com/operator-framework/operator-registry/alpha/action/migrations"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"
	"github.com/operator-framework/operator-registry/alpha/template/semver"
)

// render writes the catalog of a semver template whose images are bundle folders, relative to the folder above the template's own. With an image
// template (`host/name:v{{.Version}}`) bundles are referred to by image, as in a published catalog; without one they are in the catalog with all their objects.
func render(ctx context.Context, path, output, images string) error {
	read, err := os.Open(path)
	if err != nil {
		return err
	}
	defer read.Close()
	inline := images == ""
	if inline {
		// The template tells bundles apart by their image, so that they need one until it is done.
		images = "inline/{{.Package}}:v{{.Version}}"
	}
	reference, err := template.New("image").Parse(images)
	if err != nil {
		return err
	}
	root := filepath.Dir(filepath.Dir(path))
	folder := func(ctx context.Context, name string) (*declcfg.DeclarativeConfig, error) {
		rendering := action.Render{
			Refs:             []string{filepath.Join(root, name)},
			AllowedRefMask:   action.RefBundleDir,
			ImageRefTemplate: reference,
		}
		if !inline {
			// What serves a catalog reads the metadata of a CSV; the objects are in the image.
			all, err := migrations.NewMigrations(migrations.AllMigrations)
			if err != nil {
				return nil, err
			}
			rendering.Migrations = all
		}
		return rendering.Run(ctx)
	}
	var factory semver.Factory
	catalog, err := factory.CreateTemplate(folder).Render(ctx, read)
	if err != nil {
		return err
	}
	for index := range catalog.Bundles {
		if inline {
			alone(&catalog.Bundles[index])
		}
	}
	var text bytes.Buffer
	if err := declcfg.WriteYAML(*catalog, &text); err != nil {
		return err
	}
	if output == "-" {
		_, err = os.Stdout.Write(text.Bytes())
		return err
	}
	if err := os.WriteFile(output, text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", output, err)
	}
	return nil
}

// alone makes a bundle that needs no image: OLM takes the objects from the catalog.
func alone(bundle *declcfg.Bundle) {
	image := bundle.Image
	bundle.Image = ""
	var related []declcfg.RelatedImage
	for _, one := range bundle.RelatedImages {
		if one.Image != image {
			related = append(related, one)
		}
	}
	bundle.RelatedImages = related
	var kept []property.Property
	for _, one := range bundle.Properties {
		if one.Type != property.TypeCSVMetadata {
			kept = append(kept, one)
		}
	}
	bundle.Properties = kept
}
