#include "protocol/base64.h"

#include <errno.h>
#include <string.h>

/* The 64 digits, and the character that fills up the last group. */
static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
#define PADDING 64u

size_t base64_encode(struct bytes data, char *out)
{
	size_t at = 0;

	for (size_t i = 0; i < data.len; i += 3) {
		size_t left = data.len - i;
		uint32_t group = (uint32_t)data.data[i] << 16;

		if (left > 1)
			group |= (uint32_t)data.data[i + 1] << 8;
		if (left > 2)
			group |= data.data[i + 2];
		out[at++] = base64_digits[group >> 18];
		out[at++] = base64_digits[group >> 12 & 63];
		out[at++] = base64_digits[left > 1 ? group >> 6 & 63 : PADDING];
		out[at++] = base64_digits[left > 2 ? group & 63 : PADDING];
	}
	return at;
}

static int digit_value(uint8_t digit)
{
	const char *at = memchr(base64_digits, digit, PADDING);

	return at ? (int)(at - base64_digits) : -1;
}

int base64_decode(struct bytes text, uint8_t *out, size_t *ret_len)
{
	size_t padding = 0, len = 0;
	uint32_t group = 0;

	if (text.len % 4 != 0)
		return -EINVAL;
	while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < text.len; i++) {
		int digit = i < text.len - padding ? digit_value(text.data[i]) : 0;

		if (digit < 0)
			return -EINVAL;
		group = group << 6 | (uint32_t)digit;
		if (i % 4 == 3) {
			out[len++] = (uint8_t)(group >> 16);
			out[len++] = (uint8_t)(group >> 8);
			out[len++] = (uint8_t)group;
		}
	}
	*ret_len = len - padding;
	return 0;
}
