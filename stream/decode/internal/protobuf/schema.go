package protobuf

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/options"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/fqgw/fqgw"
)

// Schema is the messages that a schema describes.
type Schema struct {
	file  protoreflect.FileDescriptor
	set   *protoregistry.Files // of a descriptor set, the file being its last one; nil: a text
	types map[protoreflect.FullName]*Message
}

// Type is what a registry calls the type of these schemas.
const Type = "PROTOBUF"

// Parse reads a schema: the text of a .proto file, with what it imports as its references
// and those that every compiler has, or a FileDescriptorSet in base64.
func Parse(s *fqgw.RecordSchema) (*Schema, error) {
	out := &Schema{types: map[protoreflect.FullName]*Message{}}
	if b, ok := described(s.Text); ok {
		return out, out.descriptors(b)
	}
	p := &compiler{done: map[string]linker.File{}, at: map[string]bool{}, texts: map[string]string{}}
	p.collect(s.References, 0)
	f, err := p.file(rootName, s.Text)
	out.file = f
	return out, err
}

// rootName is the file that the schema itself is; nothing can import it.
const rootName = "(schema)"

// described is the FileDescriptorSet that a text has in base64.
func described(text string) ([]byte, bool) {
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, text)
	b, err := base64.StdEncoding.DecodeString(text)
	return b, err == nil && len(b) > 0
}

func (s *Schema) descriptors(b []byte) error {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(b, &set); err != nil || len(set.File) == 0 {
		return errors.New("it is no FileDescriptorSet")
	}
	for i, name := range standard {
		if !slices.ContainsFunc(set.File, func(f *descriptorpb.FileDescriptorProto) bool { return f.GetName() == name }) {
			if f, err := protoregistry.GlobalFiles.FindFileByPath(name); err == nil {
				set.File = slices.Insert(set.File, min(i, len(set.File)), protodesc.ToFileDescriptorProto(f))
			}
		}
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return err
	}
	s.set = files
	s.file, err = files.FindFileByPath(set.File[len(set.File)-1].GetName())
	return err
}

// compiler compiles files and what they import. It runs in one goroutine, unlike the
// library's own.
type compiler struct {
	texts   map[string]string // that the schema refers to, by the name under which it is imported
	done    map[string]linker.File
	at      map[string]bool // being compiled
	symbols linker.Symbols
}

// maxReferences bounds how deep schemas name each other.
const maxReferences = 50

func (p *compiler) collect(refs []fqgw.SchemaReference, depth int) {
	for _, r := range refs {
		if _, known := p.texts[r.Name]; !known && depth < maxReferences {
			p.texts[r.Name] = r.Schema.Text
			p.collect(r.Schema.References, depth+1)
		}
	}
}

func (p *compiler) file(name, text string) (linker.File, error) {
	p.at[name] = true
	defer delete(p.at, name)
	h := reporter.NewHandler(nil)
	tree, err := parser.Parse(name, strings.NewReader(text), h)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.ResultFromAST(tree, true, h)
	if err != nil {
		return nil, err
	}
	var deps linker.Files
	for _, path := range parsed.FileDescriptorProto().Dependency {
		f, err := p.imported(path)
		if err != nil {
			return nil, err
		}
		deps = append(deps, f)
	}
	linked, err := linker.Link(parsed, deps, &p.symbols, h)
	if err != nil {
		return nil, err
	}
	// Options are nothing to how records are read, but those of the language itself: one
	// of an extension that is not to be had is left alone.
	_, err = options.InterpretOptionsLenient(linked)
	return linked, err
}

func (p *compiler) imported(path string) (linker.File, error) {
	if f := p.done[path]; f != nil {
		return f, nil
	}
	if p.at[path] {
		return nil, fmt.Errorf("%s imports itself", path)
	}
	text, ok := p.texts[path]
	if !ok {
		text, ok = common[path]
	}
	var f linker.File
	var err error
	if ok {
		f, err = p.file(path, text)
	} else if slices.Contains(standard, path) {
		var known protoreflect.FileDescriptor
		if known, err = protoregistry.GlobalFiles.FindFileByPath(path); err == nil {
			f, err = linker.NewFileRecursive(known)
		}
	} else {
		err = fmt.Errorf("it imports %q, which is not among its references", path)
	}
	if err == nil {
		p.done[path] = f
	}
	return f, err
}

// At is the message that a record's frame names: the index of a message of the file, and
// of one in the one before; nil: there is none.
func (s *Schema) At(indexes []int) *Message {
	var of interface {
		Messages() protoreflect.MessageDescriptors
	} = s.file
	for _, i := range indexes {
		all := of.Messages()
		if i < 0 || i >= all.Len() {
			return nil
		}
		of = all.Get(i)
	}
	m, ok := of.(protoreflect.MessageDescriptor)
	if !ok {
		return nil
	}
	return s.message(m)
}

// Named is the message of a full name, or of one that is the package's; "" is the only
// message of the file.
func (s *Schema) Named(name string) (*Message, error) {
	all := s.file.Messages()
	if name == "" {
		if all.Len() == 1 {
			return s.message(all.Get(0)), nil
		}
		return nil, fmt.Errorf("it has %d messages, not one", all.Len())
	}
	for _, full := range []protoreflect.FullName{protoreflect.FullName(name), s.file.Package().Append(protoreflect.Name(name))} {
		if m := s.find(full); m != nil {
			return s.message(m), nil
		}
	}
	return nil, fmt.Errorf("it has no message \"%s\"", name)
}

// Names are the full names of the file's messages.
func (s *Schema) Names() []string {
	var out []string
	for i := range s.file.Messages().Len() {
		out = append(out, string(s.file.Messages().Get(i).FullName()))
	}
	return out
}

func (s *Schema) find(name protoreflect.FullName) protoreflect.MessageDescriptor {
	if !name.IsValid() {
		return nil
	}
	if s.set != nil {
		d, _ := s.set.FindDescriptorByName(name)
		m, _ := d.(protoreflect.MessageDescriptor)
		return m
	}
	return within(s.file, name, map[string]bool{})
}

// within looks for a message in a file and those that it imports.
func within(f protoreflect.FileDescriptor, name protoreflect.FullName, seen map[string]bool) protoreflect.MessageDescriptor {
	if seen[f.Path()] {
		return nil
	}
	seen[f.Path()] = true
	if file, ok := f.(linker.File); ok {
		if m, ok := file.FindDescriptorByName(name).(protoreflect.MessageDescriptor); ok {
			return m
		}
	}
	for i := range f.Imports().Len() {
		if m := within(f.Imports().Get(i).FileDescriptor, name, seen); m != nil {
			return m
		}
	}
	return nil
}
