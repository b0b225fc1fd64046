#include "client/poolctl/base64.h"

#include <stdlib.h>
#include <string.h>

/* The 64 digits, and the sign that fills up the last group. */
static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
#define PADDING 64u

char *base64_encode(const uint8_t *data, size_t len, size_t *ret_len)
{
	char *text = malloc(len / 3 * 4 + 4);
	size_t at = 0;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t group = (uint32_t)data[i] << 16;

		if (left > 1)
			group |= (uint32_t)data[i + 1] << 8;
		if (left > 2)
			group |= data[i + 2];
		text[at++] = base64_digits[group >> 18];
		text[at++] = base64_digits[group >> 12 & 63];
		text[at++] = base64_digits[left > 1 ? group >> 6 & 63 : PADDING];
		text[at++] = base64_digits[left > 2 ? group & 63 : PADDING];
	}
	*ret_len = at;
	return text;
}

static int digit_value(char c)
{
	const char *at = memchr(base64_digits, c, PADDING);

	return at ? (int)(at - base64_digits) : -1;
}

uint8_t *base64_decode(const char *text, size_t text_len, size_t *ret_len)
{
	uint8_t *data = text_len % 4 == 0 ? malloc(text_len / 4 * 3 + 1) : NULL;
	size_t padding = 0, len = 0;
	uint32_t group = 0;

	while (padding < 2 && padding < text_len && text[text_len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; data && i < text_len; i++) {
		int digit = i < text_len - padding ? digit_value(text[i]) : 0;

		if (digit < 0) {
			free(data);
			return NULL;
		}
		group = group << 6 | (uint32_t)digit;
		if (i % 4 == 3) {
			data[len++] = (uint8_t)(group >> 16);
			data[len++] = (uint8_t)(group >> 8);
			data[len++] = (uint8_t)group;
		}
	}
	*ret_len = len - padding;
	return data;
}
