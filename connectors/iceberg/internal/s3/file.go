package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fqgw/fqgw"
)

// headBytes are read when a file is opened: the whole of a small one, in one trip.
const headBytes = 256 << 10

// File is an open file; it is read by ranges, of one state of the object only.
type File struct {
	fs   *FS
	name string
	size int64
	etag string
	time time.Time
	head []byte
	// What Read has in hand, and where it stands.
	ahead   []byte
	aheadAt int64
	pos     int64
}

// Open implements io.IO.
func (f *FS) Open(name string) (iceio.File, error) {
	file := &File{fs: f, name: name, size: -1}
	head, err := file.get(0, headBytes)
	if err != nil {
		return nil, err
	}
	file.head = head
	return file, nil
}

// ReadFile implements io.ReadFileIO.
func (f *FS) ReadFile(name string) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(file)
}

// get reads up to n bytes from off. A body that ends early is read on from there.
func (f *File) get(off, n int64) ([]byte, error) {
	var out bytes.Buffer
	err := f.fs.do("read", f.name, func(ctx context.Context, bucket, key *string) error {
		for try := 1; ; try++ {
			at := off + int64(out.Len())
			err := f.part(ctx, bucket, key, at, n-int64(out.Len()), &out)
			if err == nil || f.size >= 0 && off+int64(out.Len()) == min(off+n, f.size) {
				return err
			}
			var cut *cutError
			if !errors.As(err, &cut) || try == attempts {
				return err
			}
		}
	})
	return out.Bytes(), err
}

// cutError is a body that ended early.
type cutError struct {
	got, want int64
	err       error
}

func (e *cutError) Error() string {
	return fmt.Sprintf("%d bytes came of %d: %v", e.got, e.want, e.err)
}

func (e *cutError) Unwrap() error { return e.err }

// slowest is how many bytes a second a store must give at least.
const slowest = 64 << 10

func (f *File) part(ctx context.Context, bucket, key *string, off, n int64, out *bytes.Buffer) error {
	ctx, cancel := context.WithTimeout(ctx, attempts*f.fs.patience+time.Duration(n/slowest)*time.Second)
	defer cancel()
	in := &s3.GetObjectInput{Bucket: bucket, Key: key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1))}
	if f.etag != "" {
		in.IfMatch = aws.String(f.etag)
	}
	r, err := f.fs.client.GetObject(ctx, in)
	if statusOf(err) == http.StatusRequestedRangeNotSatisfiable {
		if f.size > 0 {
			return f.lie(fmt.Errorf("it has no bytes %d to %d of %d", off, off+n-1, f.size))
		}
		f.size = 0 // an empty file has no range
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Body.Close()
	size, err := sizeOf(r, off)
	if err == nil && f.size >= 0 && size != f.size {
		err = fmt.Errorf("it had %d bytes, and now %d", f.size, size)
	}
	if err != nil {
		return f.lie(err)
	}
	if f.size < 0 { // it is just being opened
		f.size, f.etag, f.time = size, aws.ToString(r.ETag), aws.ToTime(r.LastModified)
	}
	want := min(n, size-off)
	got, err := io.Copy(out, io.LimitReader(r.Body, want))
	if got < want {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return &cutError{got, want, err}
	}
	return nil // the rest, if any, is not ours
}

// lie is an answer that cannot be true.
func (f *File) lie(err error) error {
	return fqgw.Errorf(fqgw.CodeIO, "lake: cannot read %s: the S3 store says about it what cannot be: %w", f.name, err)
}

// sizeOf is the size of the file that an answer tells of.
func sizeOf(r *s3.GetObjectOutput, off int64) (int64, error) {
	if r.ContentRange == nil { // the store gave the whole
		if off != 0 {
			return 0, errors.New("a range was asked for, and the whole file came")
		}
		return aws.ToInt64(r.ContentLength), nil
	}
	from, rest, ok := strings.Cut(strings.TrimPrefix(*r.ContentRange, "bytes "), "-")
	_, total, ok2 := strings.Cut(rest, "/")
	at, err1 := strconv.ParseInt(from, 10, 64)
	size, err2 := strconv.ParseInt(total, 10, 64)
	if !ok || !ok2 || err1 != nil || err2 != nil || at != off || size < off {
		return 0, fmt.Errorf("the range %q came in the place of one from %d", *r.ContentRange, off)
	}
	return size, nil
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	}
	if off >= f.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), f.size-off)
	var end error
	if want < int64(len(p)) {
		end = io.EOF
	}
	if off+want <= int64(len(f.head)) {
		return copy(p, f.head[off:off+want]), end
	}
	b, err := f.get(off, want)
	if err != nil {
		return 0, err
	}
	return copy(p, b), end
}

// Read implements io.Reader. It asks for headBytes at least.
func (f *File) Read(p []byte) (int, error) {
	if f.pos >= f.size {
		return 0, io.EOF
	}
	if f.pos < int64(len(f.head)) {
		f.ahead, f.aheadAt = f.head, 0
	} else if f.pos < f.aheadAt || f.pos >= f.aheadAt+int64(len(f.ahead)) {
		b, err := f.get(f.pos, min(max(int64(len(p)), headBytes), f.size-f.pos))
		if err != nil {
			return 0, err
		}
		f.ahead, f.aheadAt = b, f.pos
	}
	n := copy(p, f.ahead[f.pos-f.aheadAt:])
	f.pos += int64(n)
	return n, nil
}

// Seek implements io.Seeker.
func (f *File) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += f.pos
	case io.SeekEnd:
		off += f.size
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.name, Err: fs.ErrInvalid}
	}
	f.pos = off
	return off, nil
}

// Close implements io.Closer.
func (f *File) Close() error { return nil }

// Stat implements fs.File.
func (f *File) Stat() (fs.FileInfo, error) { return f, nil }

// Name, Size, Mode, ModTime, IsDir and Sys implement fs.FileInfo.
func (f *File) Name() string       { return path.Base(f.name) }
func (f *File) Size() int64        { return f.size }
func (f *File) Mode() fs.FileMode  { return 0o444 }
func (f *File) ModTime() time.Time { return f.time }
func (f *File) IsDir() bool        { return false }
func (f *File) Sys() any           { return nil }
