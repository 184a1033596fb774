#include "encode.h"

#include <algorithm>

#include "stream.h"
#include "wire.h"

namespace amphis {

namespace {

// Kinds of handles; src/js/handles.rs has the same.
constexpr uint8_t kFunctionKind = 0;

// Bytes of the elements' types; src/values/dtype.rs has the same.
constexpr uint8_t kUint8 = 0;

uint8_t dtype_of(v8::Local<v8::Value> view) {
  if (view->IsInt8Array()) return 1;
  if (view->IsUint8ClampedArray()) return 2;
  if (view->IsUint16Array()) return 3;
  if (view->IsInt16Array()) return 4;
  if (view->IsUint32Array()) return 5;
  if (view->IsInt32Array()) return 6;
  if (view->IsBigUint64Array()) return 7;
  if (view->IsBigInt64Array()) return 8;
  if (view->IsFloat32Array()) return 9;
  if (view->IsFloat64Array()) return 10;
#if V8_MAJOR_VERSION >= 13
  if (view->IsFloat16Array()) return 11;
#endif
  return kUint8;
}

// What `Error` and its like have as their own; the rest are its properties.
constexpr const char* kFields[] = {"name", "message", "stack", "cause", "code"};

bool is_field(v8::Isolate* isolate, v8::Local<v8::String> key) {
  for (const char* field : kFields) {
    if (key->StringEquals(v8::String::NewFromUtf8(isolate, field).ToLocalChecked())) return true;
  }
  return false;
}

}  // namespace

Encoder::Encoder(Runtime* runtime, v8::Local<v8::Context> context, AmphisBytes* out)
    : runtime_(runtime), isolate_(runtime->isolate), context_(context), writer_(out) {}

bool Encoder::unfit(std::string problem) {
  if (problem_.empty()) problem_ = std::move(problem);
  return false;
}

bool Encoder::room(size_t count) {
  if (writer_.length() + count <= runtime_->limits.value) return true;
  return unfit("The value is larger than " + std::to_string(runtime_->limits.value) +
               " bytes, the limit max_serialization_bytes. Pass less at once, or raise the limit.");
}

bool Encoder::value(v8::Local<v8::Value> value, v8::Local<v8::Value> receiver, uint32_t depth) {
  if (!room(9)) return false;
  if (value->IsString()) return text(value.As<v8::String>());
  if (value->IsNumber()) {
    writer_.number(value.As<v8::Number>()->Value());
  } else if (value->IsUndefined()) {
    writer_.byte(kUndefined);
  } else if (value->IsNull()) {
    writer_.byte(kNull);
  } else if (value->IsTrue()) {
    writer_.byte(kTrue);
  } else if (value->IsFalse()) {
    writer_.byte(kFalse);
  } else if (value->IsBigInt()) {
    return bigint(value.As<v8::BigInt>());
  } else if (value->IsSymbol()) {
    return unfit("Python has nothing for a symbol. Pass its description.");
  } else {
    return object(value.As<v8::Object>(), receiver, depth);
  }
  return true;
}

bool Encoder::text(v8::Local<v8::String> text) {
  if (!room(static_cast<size_t>(text->Length()) * (text->ContainsOnlyOneByte() ? 1 : 2))) return false;
  writer_.string(isolate_, text);
  return true;
}

bool Encoder::bigint(v8::Local<v8::BigInt> number) {
  int count = number->WordCount();
  if (!room(static_cast<size_t>(count) * 8)) return false;
  std::vector<uint64_t> words(static_cast<size_t>(count));
  int sign = 0;
  number->ToWordsArray(&sign, &count, words.data());
  writer_.byte(kBigInt);
  writer_.byte(sign != 0 ? 1 : 0);
  writer_.varint(words.size() * 8);
  writer_.raw(words.data(), words.size() * 8);
  return true;
}

bool Encoder::is_known(v8::Local<v8::Object> object) {
  int hash = object->GetIdentityHash();
  auto range = objects_.equal_range(hash);
  for (auto found = range.first; found != range.second; ++found) {
    if (found->second.first == object) {
      writer_.byte(kRef);
      writer_.varint(found->second.second);
      return true;
    }
  }
  objects_.emplace(hash, std::make_pair(object, next_object_++));
  return false;
}

bool Encoder::object(v8::Local<v8::Object> object, v8::Local<v8::Value> receiver, uint32_t depth) {
  if (depth >= runtime_->limits.depth) {
    return unfit("The value is more than " + std::to_string(runtime_->limits.depth) +
                 " levels deep, the limit max_serialization_depth. Pass it flat, or raise the limit.");
  }
  if (object->IsFunction()) {
    auto function = object.As<v8::Function>();
    writer_.byte(kJavaScript);
    writer_.byte(kFunctionKind);
    writer_.varint(runtime_->hold(function, receiver));
    v8::Local<v8::Value> name = function->GetDebugName();
    writer_.name(isolate_, name->IsString() ? name.As<v8::String>() : v8::String::Empty(isolate_));
    return true;
  }
  if (object->IsNativeError()) {
    error(object, depth);
    return !runtime_->is_terminating();
  }
  if (object->IsPromise()) return unfit("A promise cannot cross. Await it in JavaScript, and pass its result.");
  if (object->IsWeakMap() || object->IsWeakSet() || object->IsWeakRef()) {
    return unfit("What is held weakly cannot cross. Pass what it holds.");
  }
  if (object->IsNumberObject()) {
    writer_.number(object.As<v8::NumberObject>()->ValueOf());
    return true;
  }
  if (object->IsBooleanObject()) {
    writer_.byte(object.As<v8::BooleanObject>()->ValueOf() ? kTrue : kFalse);
    return true;
  }
  if (object->IsStringObject()) return text(object.As<v8::StringObject>()->ValueOf());
  if (object->IsBigIntObject()) return bigint(object.As<v8::BigIntObject>()->ValueOf());
  if (object->IsSymbolObject()) return unfit("Python has nothing for a symbol. Pass its description.");
  if (object->IsArrayBufferView() || object->IsArrayBuffer() || object->IsSharedArrayBuffer()) return bytes(object);
  if (is_stream(runtime_, object)) return stream(object);
  if (is_known(object)) return true;
  if (object->IsDate()) {
    double milliseconds = object.As<v8::Date>()->ValueOf();
    writer_.byte(kDate);
    writer_.raw(&milliseconds, sizeof milliseconds);
    return true;
  }
  return container(object, depth);
}

bool Encoder::stream(v8::Local<v8::Object> object) {
  uint8_t kind = 0;
  v8::Local<v8::Function> lent;
  v8::TryCatch block(isolate_);
  if (!lend_stream(runtime_, context_, object, &kind).ToLocal(&lent)) {
    if (runtime_->is_terminating() || block.HasTerminated()) {
      block.ReThrow();
      return false;
    }
    return unfit("This object has no stream in it.");
  }
  writer_.byte(kJavaScript);
  writer_.byte(kind);
  writer_.varint(runtime_->hold(lent, {}, true));
  writer_.name("");
  return true;
}

bool Encoder::bytes(v8::Local<v8::Object> object) {
  std::shared_ptr<v8::BackingStore> store;
  size_t length = 0;
  size_t offset = 0;
  uint8_t dtype = kUint8;
  if (object->IsArrayBufferView()) {
    auto view = object.As<v8::ArrayBufferView>();
    length = view->ByteLength();
    offset = view->ByteOffset();
    dtype = dtype_of(object);
    store = view->Buffer()->GetBackingStore();
  } else if (object->IsArrayBuffer()) {
    length = object.As<v8::ArrayBuffer>()->ByteLength();
    store = object.As<v8::ArrayBuffer>()->GetBackingStore();
  } else {
    length = object.As<v8::SharedArrayBuffer>()->ByteLength();
    store = object.As<v8::SharedArrayBuffer>()->GetBackingStore();
  }
  if (!room(length)) return false;
  if (length == 0 && dtype == kUint8) {
    writer_.byte(kBytes);
    writer_.varint(0);
    return true;
  }
  if (is_known(object)) return true;
  if (dtype == kUint8) {
    writer_.byte(kBytes);
  } else {
    writer_.byte(kTyped);
    writer_.byte(dtype);
  }
  writer_.varint(length);
  if (length > 0) writer_.raw(static_cast<const uint8_t*>(store->Data()) + offset, length);
  return true;
}

bool Encoder::container(v8::Local<v8::Object> object, uint32_t depth) {
  if (object->IsArray()) {
    auto array = object.As<v8::Array>();
    uint32_t count = array->Length();
    if (!room(count)) return false;
    writer_.byte(kArray);
    writer_.varint(count);
    return items(array, object, count, depth);
  }
  if (object->IsMap()) {
    v8::Local<v8::Array> entries = object.As<v8::Map>()->AsArray();
    writer_.byte(kMap);
    writer_.varint(entries->Length() / 2);
    return items(entries, object, entries->Length(), depth);
  }
  if (object->IsSet()) {
    v8::Local<v8::Array> members = object.As<v8::Set>()->AsArray();
    writer_.byte(kSet);
    writer_.varint(members->Length());
    return items(members, object, members->Length(), depth);
  }
  return plain(object, depth);
}

bool Encoder::items(v8::Local<v8::Array> items, v8::Local<v8::Value> receiver, uint32_t count, uint32_t depth) {
  for (uint32_t index = 0; index < count; index++) {
    v8::Local<v8::Value> item;
    if (!items->Get(context_, index).ToLocal(&item) || !value(item, receiver, depth + 1)) return false;
  }
  return true;
}

bool Encoder::plain(v8::Local<v8::Object> object, uint32_t depth) {
  v8::Local<v8::Array> names;
  auto filter = static_cast<v8::PropertyFilter>(v8::ONLY_ENUMERABLE | v8::SKIP_SYMBOLS);
  if (!object
           ->GetPropertyNames(context_, v8::KeyCollectionMode::kOwnOnly, filter, v8::IndexFilter::kIncludeIndices,
                              v8::KeyConversionMode::kConvertToString)
           .ToLocal(&names)) {
    return false;
  }
  uint32_t count = names->Length();
  if (!room(2 * size_t{count})) return false;
  writer_.byte(kObject);
  writer_.varint(count);
  for (uint32_t index = 0; index < count; index++) {
    v8::Local<v8::Value> name;
    v8::Local<v8::Value> found;
    if (!names->Get(context_, index).ToLocal(&name) || !object->Get(context_, name).ToLocal(&found)) return false;
    auto text = name.As<v8::String>();
    if (!room(2 * static_cast<size_t>(text->Length()) + 9)) return false;
    key(text);
    if (!value(found, object, depth + 1)) return false;
  }
  return true;
}

void Encoder::key(v8::Local<v8::String> key) {
  int hash = key->GetIdentityHash();
  auto range = keys_.equal_range(hash);
  for (auto found = range.first; found != range.second; ++found) {
    if (found->second.first == key || found->second.first->StringEquals(key)) {
      writer_.varint(found->second.second);
      return;
    }
  }
  keys_.emplace(hash, std::make_pair(key, next_key_++));
  writer_.varint(0);
  writer_.name(isolate_, key);
}

// A property, or nothing if reading it has thrown: a getter is code of the guest's.
v8::Local<v8::Value> Encoder::own(v8::Local<v8::Object> object, const char* name) {
  if (runtime_->is_terminating()) return {};
  v8::TryCatch block(isolate_);
  v8::Local<v8::Value> found;
  if (!object->Get(context_, v8::String::NewFromUtf8(isolate_, name).ToLocalChecked()).ToLocal(&found)) return {};
  return found;
}

void Encoder::error(v8::Local<v8::Object> error, uint32_t depth) {
  v8::HandleScope handles(isolate_);
  v8::TryCatch block(isolate_);
  v8::Local<v8::Value> original;
  writer_.byte(kError);
  if (error->GetPrivate(context_, runtime_->exception.Get(isolate_)).ToLocal(&original) && original->IsUint32()) {
    writer_.byte(kPython);
    writer_.byte(0);
    writer_.varint(original.As<v8::Uint32>()->Value());
    writer_.name("");
  } else {
    writer_.byte(kNull);
  }
  // What can be had of each field, whatever it says that it is.
  struct Field {
    const char* name;
    v8::Local<v8::Value> value;
  };
  std::vector<Field> fields;
  for (const char* name : {"name", "message", "stack"}) {
    v8::Local<v8::Value> found = own(error, name);
    bool is_text =
        !found.IsEmpty() && found->IsString() && room(2 * static_cast<size_t>(found.As<v8::String>()->Length()));
    bool is_large = !is_text && !found.IsEmpty() && found->IsString();
    auto instead = is_large ? v8::String::NewFromUtf8Literal(isolate_, "(too large)") : v8::String::Empty(isolate_);
    fields.push_back({name, is_text ? found : instead.As<v8::Value>()});
  }
  v8::Local<v8::Value> code = own(error, "code");
  if (!code.IsEmpty() && (code->IsString() || code->IsNumber())) fields.push_back({"code", code});
  v8::Local<v8::Value> cause = own(error, "cause");
  bool has_cause = !cause.IsEmpty() && !cause->IsUndefined() && depth + 1 < runtime_->limits.depth &&
                   (cause->IsNativeError() || !cause->IsObject()) && !cause->IsSymbol();
  auto properties = plain_properties(error);
  next_object_++;
  writer_.byte(kObject);
  writer_.varint(fields.size() + (has_cause ? 1 : 0) + (properties.empty() ? 0 : 1));
  for (const Field& field : fields) {
    key(v8::String::NewFromUtf8(isolate_, field.name).ToLocalChecked());
    if (!value(field.value, error, depth + 1)) writer_.byte(kNull);
  }
  if (has_cause) {
    key(v8::String::NewFromUtf8Literal(isolate_, "cause"));
    if (!value(cause, error, depth + 1)) writer_.byte(kNull);
  }
  if (!properties.empty()) {
    key(v8::String::NewFromUtf8Literal(isolate_, "props"));
    next_object_++;
    writer_.byte(kObject);
    writer_.varint(properties.size());
    for (const auto& [name, found] : properties) {
      key(name);
      if (!value(found, error, depth + 2)) writer_.byte(kNull);
    }
  }
  problem_.clear();
}

// Own properties that hold nothing else: the rest is left in JavaScript.
std::vector<std::pair<v8::Local<v8::String>, v8::Local<v8::Value>>> Encoder::plain_properties(
    v8::Local<v8::Object> error) {
  constexpr uint32_t kMost = 64;
  std::vector<std::pair<v8::Local<v8::String>, v8::Local<v8::Value>>> found;
  v8::Local<v8::Array> names;
  if (!error->GetOwnPropertyNames(context_).ToLocal(&names)) return found;
  for (uint32_t index = 0; index < std::min(names->Length(), kMost) && !runtime_->is_terminating(); index++) {
    v8::Local<v8::Value> name;
    v8::Local<v8::Value> value;
    if (!names->Get(context_, index).ToLocal(&name) || !name->IsString()) continue;
    auto key = name.As<v8::String>();
    if (is_field(isolate_, key) || !error->Get(context_, key).ToLocal(&value)) continue;
    if (!value->IsObject() && !value->IsSymbol()) found.emplace_back(key, value);
  }
  return found;
}

void Encoder::thrown(v8::Local<v8::Value> value) {
  if (value->IsNativeError()) return error(value.As<v8::Object>(), 0);
  v8::HandleScope handles(isolate_);
  v8::TryCatch block(isolate_);
  // Runs nothing of the guest's.
  v8::Local<v8::String> shown;
  if (!value->ToDetailString(context_).ToLocal(&shown) || !room(2 * static_cast<size_t>(shown->Length()))) {
    shown = v8::String::NewFromUtf8Literal(isolate_, "(what was thrown cannot be shown)");
  }
  bool is_data = !value->IsObject() && !value->IsSymbol() && !value->IsString();
  writer_.byte(kError);
  writer_.byte(kNull);
  next_object_++;
  writer_.byte(kObject);
  writer_.varint(2);
  key(v8::String::NewFromUtf8Literal(isolate_, "message"));
  writer_.string(isolate_, shown);
  key(v8::String::NewFromUtf8Literal(isolate_, "props"));
  next_object_++;
  writer_.byte(kObject);
  writer_.varint(1);
  key(v8::String::NewFromUtf8Literal(isolate_, "thrown"));
  if (!is_data || !this->value(value, {}, 1)) writer_.string(isolate_, shown);
}

int give(Runtime* runtime, v8::Local<v8::Context> context, v8::Local<v8::Value> value, AmphisBytes* out) {
  v8::TryCatch block(runtime->isolate);
  if (value->IsObject() && !value->IsModuleNamespaceObject()) {
    int status = give_wire(runtime, context, value, out);
    if (status >= 0) return status;
    if (runtime->is_terminating()) return AMPHIS_TERMINATED;
    if (block.HasCaught()) block.Reset();
  }
  out->length = 0;
  Encoder encoder(runtime, context, out);
  bool is_written = encoder.value(value, {});
  if (runtime->is_terminating() || block.HasTerminated()) return AMPHIS_TERMINATED;
  if (is_written) return AMPHIS_TAPE;
  if (block.HasCaught()) return give_thrown(runtime, context, block, out);
  out->length = 0;
  TapeWriter(out).raw(encoder.problem().data(), encoder.problem().size());
  return AMPHIS_UNFIT;
}

int give_thrown(Runtime* runtime, v8::Local<v8::Context> context, v8::Local<v8::Value> thrown, AmphisBytes* out) {
  out->length = 0;
  Encoder encoder(runtime, context, out);
  encoder.thrown(thrown);
  return runtime->is_terminating() ? AMPHIS_TERMINATED : AMPHIS_THROWN;
}

int give_thrown(Runtime* runtime, v8::Local<v8::Context> context, const v8::TryCatch& block, AmphisBytes* out) {
  if (runtime->is_terminating() || block.HasTerminated() || !block.HasCaught()) return AMPHIS_TERMINATED;
  return give_thrown(runtime, context, block.Exception(), out);
}

}  // namespace amphis
