package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// partBytes is how much of a file is in memory while it is written. An upload may
// have 10,000 parts.
const partBytes = 8 << 20

// Writer writes a file, which is there when Close has returned nil, or not at all.
type Writer struct {
	fs     *FS
	name   string
	buf    []byte
	upload *string
	parts  []types.CompletedPart
	err    error
	closed bool
}

// Create implements io.WriteFileIO.
func (f *FS) Create(name string) (iceio.FileWriter, error) {
	if _, _, err := place(name); err != nil {
		return nil, err
	}
	return &Writer{fs: f, name: name}, nil
}

// WriteFile implements io.WriteFileIO.
func (f *FS) WriteFile(name string, content []byte) error {
	return f.do("write", name, func(ctx context.Context, bucket, key *string) error {
		ctx, cancel := f.bounded(ctx, len(content))
		defer cancel()
		_, err := f.client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(content)})
		return err
	})
}

// bounded is ctx for as long as the transfer of n bytes may take.
func (f *FS) bounded(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, attempts*f.patience+time.Duration(n/slowest)*time.Second)
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		m := min(len(p), partBytes-len(w.buf))
		w.buf, p, n = append(w.buf, p[:m]...), p[m:], n+m
		if len(w.buf) == partBytes {
			w.err = w.send()
		}
	}
	return n, w.err
}

// ReadFrom implements io.ReaderFrom.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{w}, r)
}

// send uploads what is in memory as a part.
func (w *Writer) send() error {
	return w.fs.do("write", w.name, func(ctx context.Context, bucket, key *string) error {
		ctx, cancel := w.fs.bounded(ctx, len(w.buf))
		defer cancel()
		if w.upload == nil {
			in := &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key}
			if !w.fs.compat {
				in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
			}
			begun, err := w.fs.client.CreateMultipartUpload(ctx, in)
			if err != nil {
				return err
			}
			w.upload = begun.UploadId
		}
		number := aws.Int32(int32(len(w.parts) + 1))
		part, err := w.fs.client.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: w.upload, PartNumber: number,
			Body: bytes.NewReader(w.buf)})
		if err != nil {
			return err
		}
		w.parts = append(w.parts, types.CompletedPart{ETag: part.ETag, PartNumber: number, ChecksumCRC32: part.ChecksumCRC32})
		w.buf = w.buf[:0]
		return nil
	})
}

// Close ends the file; after an error there is none.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil && w.upload == nil {
		w.err = w.fs.WriteFile(w.name, w.buf)
	} else if w.err == nil {
		w.err = w.complete()
	}
	w.buf = nil
	if w.err != nil && w.upload != nil {
		return errors.Join(w.err, w.abort())
	}
	return w.err
}

func (w *Writer) complete() error {
	if len(w.buf) > 0 {
		if err := w.send(); err != nil {
			return err
		}
	}
	return w.fs.do("write", w.name, func(ctx context.Context, bucket, key *string) error {
		_, err := w.fs.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: w.upload,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: w.parts}})
		return err
	})
}

// abort frees the parts, also when the statement has ended.
func (w *Writer) abort() error {
	ctx, cancel := w.fs.bounded(context.WithoutCancel(w.fs.ctx), 0)
	defer cancel()
	bound := w.fs.With(ctx)
	return bound.do("give up", w.name, func(ctx context.Context, bucket, key *string) error {
		_, err := bound.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: bucket, Key: key, UploadId: w.upload})
		return err
	})
}
