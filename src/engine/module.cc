#include "module.h"

#include <iterator>
#include <utility>

#include "callback.h"
#include "decode.h"
#include "encode.h"
#include "inspector.h"
#include "promise.h"
#include "script.h"
#include "version.h"

namespace amphis {

namespace {

// How many items an attribute takes: those of modules say where they stand, those of `import()` do not.
constexpr int kOfModule = 3;
constexpr int kOfCall = 2;

uint32_t number_of(Runtime* runtime, v8::Local<v8::Module> module) {
  auto range = runtime->modules_by_hash.equal_range(module->GetIdentityHash());
  for (auto found = range.first; found != range.second; ++found) {
    auto known = runtime->modules.find(found->second);
    if (known != runtime->modules.end() && known->second.module == module) return found->second;
  }
  return 0;
}

uint32_t keep(Runtime* runtime, v8::Local<v8::Module> module, AmphisSpan url, v8::Local<v8::Value> value) {
  uint32_t number = runtime->next_module++;
  Module kept;
  kept.module.Reset(runtime->isolate, module);
  if (!value.IsEmpty()) kept.value.Reset(runtime->isolate, value);
  kept.url.assign(reinterpret_cast<const char*>(url.data), url.length);
  runtime->modules.emplace(number, std::move(kept));
  runtime->modules_by_hash.emplace(module->GetIdentityHash(), number);
  return number;
}

bool is_same(v8::Local<v8::Context> context, v8::Local<v8::FixedArray> one, v8::Local<v8::FixedArray> other) {
  if (one->Length() != other->Length()) return false;
  for (int index = 0; index < one->Length(); index++) {
    // Where they stand may differ.
    if (index % kOfModule == kOfModule - 1) continue;
    auto left = item_of(context, one, index).As<v8::String>();
    if (!left->StringEquals(item_of(context, other, index).As<v8::String>())) return false;
  }
  return true;
}

v8::MaybeLocal<v8::Module> resolve_import(v8::Local<v8::Context> context, v8::Local<v8::String> specifier,
                                          v8::Local<v8::FixedArray> attributes, v8::Local<v8::Module> importer) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  Runtime* runtime = Runtime::of(isolate);
  auto found = runtime->modules.find(number_of(runtime, importer));
  v8::Local<v8::FixedArray> requests = importer->GetModuleRequests();
  for (int index = 0; found != runtime->modules.end() && index < requests->Length(); index++) {
    auto request = item_of(context, requests, index).As<v8::ModuleRequest>();
    if (!request->GetSpecifier()->StringEquals(specifier) || !is_same(context, attributes_of(request), attributes)) {
      continue;
    }
    auto place = static_cast<size_t>(index);
    if (place >= found->second.imports.size()) break;
    auto imported = runtime->modules.find(found->second.imports[place]);
    if (imported == runtime->modules.end()) break;
    return imported->second.module.Get(isolate);
  }
  isolate->ThrowException(
      v8::Exception::Error(v8::String::NewFromUtf8Literal(isolate, "A module that was not loaded is imported")));
  return {};
}

v8::MaybeLocal<v8::Value> export_value(v8::Local<v8::Context> context, v8::Local<v8::Module> module) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  Runtime* runtime = Runtime::of(isolate);
  auto found = runtime->modules.find(number_of(runtime, module));
  v8::Local<v8::Value> value = v8::Undefined(isolate);
  if (found != runtime->modules.end()) {
    value = found->second.value.Get(isolate);
    found->second.value.Reset();
  }
  auto name = v8::String::NewFromUtf8Literal(isolate, "default");
  if (module->SetSyntheticModuleExport(isolate, name, value).IsNothing()) return {};
  v8::Local<v8::Promise::Resolver> done;
  if (!v8::Promise::Resolver::New(context).ToLocal(&done)) return {};
  if (done->Resolve(context, v8::Undefined(isolate)).IsNothing()) return {};
  return done->GetPromise();
}

// A promise of its namespace, once it has run.
v8::MaybeLocal<v8::Value> run(Runtime* runtime, v8::Local<v8::Context> context, uint32_t number) {
  v8::Isolate* isolate = runtime->isolate;
  auto found = runtime->modules.find(number);
  if (found == runtime->modules.end()) {
    isolate->ThrowException(v8::Exception::Error(v8::String::NewFromUtf8Literal(isolate, "The module is gone")));
    return {};
  }
  v8::Local<v8::Module> module = found->second.module.Get(isolate);
  if (module->GetStatus() == v8::Module::kUninstantiated &&
      module->InstantiateModule(context, resolve_import).IsNothing()) {
    return {};
  }
  v8::Local<v8::Value> outcome;
  if (!module->Evaluate(context).ToLocal(&outcome)) return {};
  auto give_namespace = [](const v8::FunctionCallbackInfo<v8::Value>& info) { info.GetReturnValue().Set(info.Data()); };
  v8::Local<v8::Function> then;
  v8::Local<v8::Promise> promise;
  // A namespace is no object that could be taken for a promise, unless it exports `then`, as everywhere.
  if (!v8::Function::New(context, give_namespace, module->GetModuleNamespace(), 0, v8::ConstructorBehavior::kThrow)
           .ToLocal(&then) ||
      !outcome.As<v8::Promise>()->Then(context, then).ToLocal(&promise)) {
    return {};
  }
  return promise;
}

void write_attributes(TapeWriter& writer, v8::Local<v8::Context> context, v8::Local<v8::FixedArray> attributes,
                      int stride) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  for (int index = 0; index + 1 < attributes->Length(); index += stride) {
    writer.string(isolate, item_of(context, attributes, index).As<v8::String>());
    writer.string(isolate, item_of(context, attributes, index + 1).As<v8::String>());
  }
}

void write_number(AmphisBytes* out, uint32_t number) {
  out->length = 0;
  TapeWriter(out).number(number);
}

}  // namespace

v8::MaybeLocal<v8::Promise> import_module(v8::Local<v8::Context> context, v8::Local<v8::Data>,
                                          v8::Local<v8::Value> importer, v8::Local<v8::String> specifier,
                                          v8::Local<v8::FixedArray> attributes) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  Runtime* runtime = Runtime::of(isolate);
  OwnBytes request;
  OwnBytes out;
  TapeWriter writer(&request);
  writer.string(isolate, specifier);
  writer.string(isolate, importer->IsString() ? importer.As<v8::String>() : v8::String::Empty(isolate));
  writer.byte(kArray);
  writer.varint(static_cast<uint64_t>(attributes->Length() / kOfCall * 2));
  write_attributes(writer, context, attributes, kOfCall);
  int answer = 0;
  {
    OutOfGate out_of_gate;
    answer = runtime->host.import(runtime->user, request.span(), &out);
  }
  v8::Local<v8::Value> promise;
  if (answer == AMPHIS_STOP || runtime->is_terminating()) {
    // V8 wants a promise or an exception, and a termination that was asked for is none yet.
    v8::Local<v8::Promise::Resolver> never;
    if (!v8::Promise::Resolver::New(context).ToLocal(&never)) return {};
    isolate->TerminateExecution();
    return never->GetPromise();
  }
  Decoder decoder(runtime, context, out.span());
  if (answer == AMPHIS_LATER) {
    if (!promise_later(runtime, context, static_cast<uint32_t>(decoder.varint())).ToLocal(&promise)) return {};
    return promise.As<v8::Promise>();
  }
  v8::Local<v8::Value> error;
  v8::Local<v8::Promise::Resolver> resolver;
  if (!exception_of(runtime, context, decoder).ToLocal(&error) ||
      !v8::Promise::Resolver::New(context).ToLocal(&resolver) || resolver->Reject(context, error).IsNothing()) {
    return {};
  }
  return resolver->GetPromise();
}

void describe_module(v8::Local<v8::Context> context, v8::Local<v8::Module> module, v8::Local<v8::Object> meta) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  Runtime* runtime = Runtime::of(isolate);
  auto found = runtime->modules.find(number_of(runtime, module));
  v8::Local<v8::String> url;
  if (found == runtime->modules.end() ||
      !v8::String::NewFromUtf8(isolate, found->second.url.data(), v8::NewStringType::kNormal,
                               static_cast<int>(found->second.url.size()))
           .ToLocal(&url)) {
    return;
  }
  meta->CreateDataProperty(context, v8::String::NewFromUtf8Literal(isolate, "url"), url).FromMaybe(false);
}

int compile_module(void* data, AmphisSpan source, AmphisSpan url, AmphisBytes* out) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  v8::Isolate* isolate = runtime->isolate;
  v8::Local<v8::Context> context = entry.context();
  v8::TryCatch block(isolate);
  v8::Local<v8::String> text;
  v8::Local<v8::String> name;
  v8::Local<v8::Module> module;
  if (!source_text(isolate, source).ToLocal(&text) || !source_text(isolate, url).ToLocal(&name)) {
    return give_thrown(runtime, context, block, out);
  }
  v8::ScriptCompiler::Source unit(text, module_origin(isolate, name));
  if (!v8::ScriptCompiler::CompileModule(isolate, &unit).ToLocal(&module)) {
    return give_thrown(runtime, context, block, out);
  }
  v8::Local<v8::FixedArray> requests = module->GetModuleRequests();
  out->length = 0;
  TapeWriter writer(out);
  writer.byte(kArray);
  writer.varint(2);
  writer.number(keep(runtime, module, url, {}));
  writer.byte(kArray);
  writer.varint(static_cast<uint64_t>(requests->Length()));
  for (int index = 0; index < requests->Length(); index++) {
    auto request = item_of(context, requests, index).As<v8::ModuleRequest>();
    v8::Local<v8::FixedArray> attributes = attributes_of(request);
    writer.byte(kArray);
    writer.varint(1 + static_cast<uint64_t>(attributes->Length() / kOfModule * 2));
    writer.string(isolate, request->GetSpecifier());
    write_attributes(writer, context, attributes, kOfModule);
  }
  return AMPHIS_TAPE;
}

int make_module(void* data, AmphisSpan url, AmphisSpan value, AmphisBytes* out) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  v8::Local<v8::Context> context = entry.context();
  v8::TryCatch block(runtime->isolate);
  v8::Local<v8::String> name;
  v8::Local<v8::Value> decoded;
  Decoder decoder(runtime, context, value);
  if (!source_text(runtime->isolate, url).ToLocal(&name) || !decoder.value().ToLocal(&decoded)) {
    return give_thrown(runtime, context, block, out);
  }
  write_number(out, keep(runtime, default_module(runtime->isolate, name, export_value), url, decoded));
  return AMPHIS_TAPE;
}

void link_module(void* data, uint32_t module, const uint32_t* imports, size_t count) {
  Runtime* runtime = Runtime::of(data);
  auto found = runtime->modules.find(module);
  if (found != runtime->modules.end()) found->second.imports.assign(imports, imports + count);
}

int evaluate_module(void* data, uint32_t module, AmphisBytes* out) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  if (!may_run(runtime)) return AMPHIS_TERMINATED;
  v8::TryCatch block(runtime->isolate);
  watch(runtime, block);
  return finish(runtime, entry, block, run(runtime, entry.context(), module), out);
}

int finish_import(void* data, uint32_t later, uint32_t module, AmphisBytes* out) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  if (!may_run(runtime)) return AMPHIS_TERMINATED;
  auto found = runtime->laters.find(later);
  if (found == runtime->laters.end()) return AMPHIS_TAPE;
  v8::Local<v8::Context> context = entry.context();
  v8::Local<v8::Promise::Resolver> resolver = found->second.Get(runtime->isolate);
  runtime->laters.erase(found);
  v8::TryCatch block(runtime->isolate);
  watch(runtime, block);
  v8::Local<v8::Value> promise;
  if (run(runtime, context, module).ToLocal(&promise)) {
    if (resolver->Resolve(context, promise).IsNothing()) return give_thrown(runtime, context, block, out);
  } else if (block.HasCaught() && !block.HasTerminated()) {
    v8::Local<v8::Value> thrown = block.Exception();
    block.Reset();
    if (resolver->Reject(context, thrown).IsNothing()) return give_thrown(runtime, context, block, out);
  }
  return settle(runtime, entry);
}

void drop_modules(void* data, const uint32_t* modules, size_t count) {
  Gate gate;
  Runtime* runtime = Runtime::of(data);
  v8::Locker locker(runtime->isolate);
  for (size_t index = 0; index < count; index++) runtime->modules.erase(modules[index]);
  for (auto known = runtime->modules_by_hash.begin(); known != runtime->modules_by_hash.end();) {
    known = runtime->modules.count(known->second) > 0 ? std::next(known) : runtime->modules_by_hash.erase(known);
  }
}

}  // namespace amphis
