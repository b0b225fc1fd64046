// As much of @msgpack/msgpack as the client in protocol/PROTOCOL.md uses.
"use strict";

function head(bytes, ...parts) {
  return Buffer.concat([Buffer.from(bytes), ...parts]);
}

function sized(code, size, ...parts) {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(size);
  return head([code], length, ...parts);
}

function encode(value) {
  if (value === null || value === undefined) return head([0xc0]);
  if (typeof value === "boolean") return head([value ? 0xc3 : 0xc2]);
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) return sized(0xce, value);
  if (typeof value === "number") {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    return head([0xcb], bytes);
  }
  if (typeof value === "string") {
    const bytes = Buffer.from(value);
    return sized(0xdb, bytes.length, bytes);
  }
  if (Array.isArray(value)) return sized(0xdd, value.length, ...value.map(encode));
  const pairs = Object.entries(value);
  return sized(0xdf, pairs.length, ...pairs.flat().map(encode));
}

class Reader {
  constructor(bytes) {
    [this.bytes, this.at] = [bytes, 0];
  }
  take(size) {
    if (this.at + size > this.bytes.length) throw new RangeError("incomplete");
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }
  uint(size) {
    return size === 8 ? Number(this.take(8).readBigUInt64BE()) : this.take(size).readUIntBE(0, size);
  }
  int(size) {
    return size === 8 ? Number(this.take(8).readBigInt64BE()) : this.take(size).readIntBE(0, size);
  }
  text(size) {
    return this.take(size).toString();
  }
  list(count) {
    return Array.from({ length: count }, () => this.value());
  }
  map(count) {
    return Object.fromEntries(Array.from({ length: count }, () => [this.value(), this.value()]));
  }
  value() {
    const code = this.uint(1);
    if (code < 0x80) return code;
    if (code < 0x90) return this.map(code & 0x0f);
    if (code < 0xa0) return this.list(code & 0x0f);
    if (code < 0xc0) return this.text(code & 0x1f);
    if (code >= 0xe0) return code - 256;
    if (code >= 0xc4 && code <= 0xc6) return this.take(this.uint(1 << (code - 0xc4)));
    if (code >= 0xcc && code <= 0xcf) return this.uint(1 << (code - 0xcc));
    if (code >= 0xd0 && code <= 0xd3) return this.int(1 << (code - 0xd0));
    if (code >= 0xd9 && code <= 0xdb) return this.text(this.uint(1 << (code - 0xd9)));
    if (code === 0xdc || code === 0xdd) return this.list(this.uint(code === 0xdc ? 2 : 4));
    if (code === 0xde || code === 0xdf) return this.map(this.uint(code === 0xde ? 2 : 4));
    if (code === 0xca) return this.take(4).readFloatBE();
    if (code === 0xcb) return this.take(8).readDoubleBE();
    if (code === 0xc0) return null;
    if (code === 0xc2 || code === 0xc3) return code === 0xc3;
    throw new Error("not MessagePack");
  }
}

async function* decodeMultiStream(stream) {
  let bytes = Buffer.alloc(0);
  for await (const more of stream) {
    bytes = Buffer.concat([bytes, more]);
    for (;;) {
      const reader = new Reader(bytes);
      let value;
      try {
        value = reader.value();
      } catch (error) {
        if (error instanceof RangeError) break;
        throw error;
      }
      bytes = bytes.subarray(reader.at);
      yield value;
    }
  }
}

module.exports = { encode, decodeMultiStream };
