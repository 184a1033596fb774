#include "tape.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "version.h"

namespace amphis {

uint8_t* TapeWriter::room(size_t count) {
  size_t needed = bytes_->length + count;
  if (needed > bytes_->capacity) {
    size_t capacity = std::max<size_t>(needed, std::max<size_t>(bytes_->capacity * 2, 256));
    auto* data = static_cast<uint8_t*>(std::realloc(bytes_->data, capacity));
    // As V8 does for its own: values are small beside what a process may have.
    if (data == nullptr) std::abort();
    bytes_->data = data;
    bytes_->capacity = capacity;
  }
  return bytes_->data + bytes_->length;
}

void TapeWriter::varint(uint64_t value) {
  while (value >= 0x80) {
    byte(static_cast<uint8_t>(value) | 0x80);
    value >>= 7;
  }
  byte(static_cast<uint8_t>(value));
}

void TapeWriter::raw(const void* data, size_t length) {
  if (length == 0) return;
  std::memcpy(room(length), data, length);
  bytes_->length += length;
}

void TapeWriter::number(double value) {
  if (value == std::trunc(value) && std::fabs(value) <= static_cast<double>(kMaxSafeInteger) &&
      !(value == 0 && std::signbit(value))) {
    auto whole = static_cast<int64_t>(value);
    byte(kInt);
    // All bits of `whole >> 63` are the sign.
    varint((static_cast<uint64_t>(whole) << 1) ^ static_cast<uint64_t>(whole >> 63));
    return;
  }
  byte(kFloat);
  raw(&value, sizeof value);
}

void TapeWriter::name(std::string_view text) {
  varint(uint64_t{text.size()} << 1);
  raw(text.data(), text.size());
}

void TapeWriter::string(std::string_view text) {
  byte(kLatin1);
  varint(text.size());
  raw(text.data(), text.size());
}

void TapeWriter::units(v8::Isolate* isolate, v8::Local<v8::String> text, bool is_latin1) {
  auto length = static_cast<size_t>(text->Length());
  if (is_latin1) {
    write_latin1(isolate, text, room(length));
    bytes_->length += length;
    return;
  }
  // V8 wants units to be aligned.
  uint8_t* target = room(2 * length + 1);
  bool is_odd = (reinterpret_cast<uintptr_t>(target) & 1) != 0;
  write_utf16(isolate, text, reinterpret_cast<uint16_t*>(target + (is_odd ? 1 : 0)));
  if (is_odd) std::memmove(target, target + 1, 2 * length);
  bytes_->length += 2 * length;
}

void TapeWriter::name(v8::Isolate* isolate, v8::Local<v8::String> text) {
  bool is_latin1 = text->ContainsOnlyOneByte();
  varint((static_cast<uint64_t>(text->Length()) << 1) | (is_latin1 ? 0 : 1));
  units(isolate, text, is_latin1);
}

void TapeWriter::string(v8::Isolate* isolate, v8::Local<v8::String> text) {
  bool is_latin1 = text->ContainsOnlyOneByte();
  byte(is_latin1 ? kLatin1 : kUtf16);
  varint(static_cast<uint64_t>(text->Length()));
  units(isolate, text, is_latin1);
}

}  // namespace amphis
