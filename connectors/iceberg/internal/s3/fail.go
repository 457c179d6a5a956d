package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/fqgw/fqgw"
)

// fail names the file. One that is not there is 58P01 and fs.ErrNotExist, refused
// credentials are 28000 (42501 where they may not do it), a store that does not
// answer or is busy 08006, and all else 58030.
func (f *FS) fail(op, name string, err error) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	var known *fqgw.Error
	if errors.As(err, &known) {
		return err
	}
	code, text, status := fqgw.CodeConnectionFailure, "", statusOf(err)
	var api smithy.APIError
	if errors.As(err, &api) {
		code, text = fqgw.CodeIO, api.ErrorCode()
		if m := api.ErrorMessage(); m != "" && m != text {
			text += ": " + m
		}
	} else {
		text = plain(err)
	}
	out := fqgw.Errorf(code, "lake: cannot %s %s: %s", op, name, text)
	out.Err = err
	switch word, _ := codeOf(err); {
	case word == "NoSuchKey" || word == "NotFound" || status == http.StatusNotFound && word != "NoSuchBucket":
		out.Code, out.Err = "58P01", fmt.Errorf("%w: %w", fs.ErrNotExist, err)
		out.Message = fmt.Sprintf("lake: cannot %s %s: there is no such file", op, name)
		return out.WithHint("Another program may have removed it: an expiry of snapshots, or of orphaned files. " +
			"The statement can be tried again; it reads the table as it is now.")
	case word == "NoSuchBucket":
		out.Code = "58P01"
		return out.WithHint("Make the bucket, or name another in the lake's warehouse.")
	case isExpired(err) && word != "InvalidAccessKeyId":
		out.Code = "28000"
		return out.WithHint("The S3 credentials have expired, and no others were given.")
	case word == "AccessDenied" || word == "AllAccessDisabled":
		out.Code = "42501"
		return out.WithHint("The S3 credentials do not allow it.")
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		out.Code = "28000"
		return out.WithHint("The S3 store refuses the credentials.")
	case status == http.StatusPreconditionFailed:
		return out.WithHint("The file was written again while it was read, which nothing should do to a file of a table.")
	case status == http.StatusTooManyRequests || status >= 500 || status == 0:
		out.Code = fqgw.CodeConnectionFailure
		return out.WithHint("The S3 store does not answer, or is busy; the statement can be tried again.")
	}
	return out
}

// plain is the innermost text of an SDK's error, without its requests' ids.
func plain(err error) string {
	var op *smithy.OperationError
	if errors.As(err, &op) {
		err = op.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}

func statusOf(err error) int {
	var r *awshttp.ResponseError
	if errors.As(err, &r) {
		return r.HTTPStatusCode()
	}
	return 0
}

func codeOf(err error) (string, bool) {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode(), true
	}
	return "", false
}

// isExpired says whether the store takes the credentials for expired ones, which
// others may replace.
func isExpired(err error) bool {
	switch word, _ := codeOf(err); word {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidAccessKeyId", "RequestExpired":
		return true
	}
	return false
}
