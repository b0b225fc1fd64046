/*
 * Heads of HTTP requests from any bytes.
 *
 *  - nothing outside of the head is read
 *  - what is returned lies in the head, and is printable; a path begins with a slash
 *  - a head that is taken is taken again as it is, whatever comes after it
 *  - a host that is taken for local is one of four
 */
#include "daemon/io/base/http_request.h"
#include "protocol/read.h"
#include "tests/lib/input.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_part(struct bytes part, const uint8_t *data, size_t len)
{
	assert(part.len == 0 || (part.data >= data && part.data + part.len <= data + len));
	for (size_t i = 0; i < part.len; i++)
		assert(part.data[i] > ' ' && part.data[i] < 0x7f);
}

static void check_taken(const struct http_request *request, const uint8_t *data, size_t len)
{
	check_part(request->path, data, len);
	check_part(request->query, data, len);
	check_part(request->host, data, len);
	assert(request->path.len > 0 && request->path.data[0] == '/');
	if (request->host.len > 0 && http_host_is_local(request->host))
		assert(bytes_equal(request->host, "127.0.0.1") ||
		       bytes_equal(request->host, "[::1]") ||
		       (request->host.len == 9 &&
			strncasecmp((const char *)request->host.data, "localhost", 9) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct http_request request, again;
	uint8_t *copy = input_exact(data, len);
	enum http_status status = http_request_parse((struct bytes){copy, len}, &request);

	assert(*http_status_text(status));
	if (status == HTTP_OK)
		check_taken(&request, copy, len);
	assert(http_request_parse((struct bytes){copy, len}, &again) == status);
	assert(again.is_head == request.is_head && again.is_kept == request.is_kept);
	free(copy);
	return 0;
}
