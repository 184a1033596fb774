//! All tests share one interpreter, so each uses module names of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;

use super::{Asked, Interface, Source, import_app};
use crate::base::error::{AppErrorKind, HandlerError};
use crate::python::interpreter::tests::start_python;

/// A folder with these files, removed in the end.
struct Folder(PathBuf);

impl Folder {
  fn with(files: &[(&str, &str)]) -> Self {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder =
      std::env::temp_dir().join(format!("amphis-importer-{}-{count}", std::process::id()));
    for (path, text) in files {
      let path = folder.join(path);
      fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("writable");
      fs::write(path, text).expect("writable");
    }
    Self(folder)
  }

  fn path(&self) -> &str {
    self.0.to_str().expect("the path is UTF-8")
  }
}

impl Drop for Folder {
  fn drop(&mut self) {
    let _ = fs::remove_dir_all(&self.0);
  }
}

const APP: &str = "async def app(scope, receive, send): pass\n";

fn source<'a>(target: &'a str, folder: &'a Folder, factory: bool) -> Source<'a> {
  Source {
    target,
    app_dir: folder.path(),
    factory,
    interface: Asked::Auto,
    wsgi_threads: 10,
  }
}

fn import(target: &str, folder: &Folder, factory: bool) -> Result<String, HandlerError> {
  start_python();
  Python::attach(|py| {
    let source = source(target, folder, factory);
    Ok(
      import_app(py, source)?
        .callable
        .bind(py)
        .repr()
        .map_or_else(|error| error.to_string(), |repr| repr.to_string()),
    )
  })
}

/// Code, message and traceback of the failure.
fn failure(target: &str, folder: &Folder, factory: bool) -> (AppErrorKind, String, String) {
  match import(target, folder, factory) {
    Err(HandlerError::App {
      code,
      message,
      raised,
    }) => (
      code,
      message,
      raised.map(|raised| raised.traceback).unwrap_or_default(),
    ),
    other => panic!("expected an app error, got {other:?}"),
  }
}

#[test]
fn an_app_is_found_in_its_folder_in_packages_and_on_attributes() {
  let folder = Folder::with(&[
    ("found_main.py", APP),
    (
      "found_pkg/sub.py",
      &format!("class Holder:\n  pass\n{APP}Holder.inner = app\n"),
    ),
    (
      "found_factory.py",
      &format!("{APP}def create(): return app\n"),
    ),
    (
      "found_class.py",
      "class App:\n  async def __call__(self, scope, receive, send): pass\napp = App()\n",
    ),
  ]);
  for (target, factory) in [
    ("found_main:app", false),
    ("found_pkg.sub:Holder.inner", false),
    ("found_factory:create", true),
    ("found_class:app", false),
  ] {
    import(target, &folder, factory).unwrap_or_else(|error| panic!("{target}: {error}"));
  }
}

#[test]
fn a_module_written_after_its_folder_was_searched_is_found() {
  let folder = Folder::with(&[("late_first.py", APP), ("late_pkg/__init__.py", "")]);
  import("late_first:app", &folder, false).expect("imported");
  assert_eq!(
    failure("late_pkg.sub:app", &folder, false).0,
    AppErrorKind::NotFound
  );
  fs::write(folder.0.join("late_second.py"), APP).expect("writable");
  fs::write(folder.0.join("late_pkg/sub.py"), APP).expect("writable");
  import("late_second:app", &folder, false).expect("imported");
  import("late_pkg.sub:app", &folder, false).expect("imported");
}

#[test]
fn a_target_that_is_not_module_and_attribute_says_what_to_write() {
  let folder = Folder::with(&[("target_main.py", APP)]);
  for (target, hint) in [
    ("target_main", "module:attribute"),
    (":app", "module:attribute"),
    ("target_main:", "module:attribute"),
    ("a..b:app", "module:attribute"),
    ("target_main:app.", "module:attribute"),
    ("target_main:a b", "module:attribute"),
    ("target_main.py:app", "\"target_main:app\""),
    ("./src/target_main.py:app", "\"src.target_main:app\""),
    ("src/target_main:app", "\"src.target_main:app\""),
  ] {
    let (code, message, _) = failure(target, &folder, false);
    assert_eq!(code, AppErrorKind::Invalid, "{target}");
    assert!(message.contains(hint), "{message}");
  }
}

#[test]
fn a_missing_module_is_told_from_one_that_misses_another() {
  let folder = Folder::with(&[
    ("missing_dep.py", "import missing_dependency_of_amphis\n"),
    ("missing_pkg/__init__.py", ""),
    ("missing_self.py", "import missing_self.sub\n"),
  ]);
  for target in [
    "missing_main:app",
    "missing_pkg.sub:app",
    "missing_other.sub:app",
  ] {
    let (code, message, _) = failure(target, &folder, false);
    assert_eq!(code, AppErrorKind::NotFound, "{message}");
    assert!(
      message.contains(folder.path()) && message.contains("appDir"),
      "{message}"
    );
  }
  let (code, message, traceback) = failure("missing_dep:app", &folder, false);
  assert_eq!(code, AppErrorKind::Import);
  assert!(
    message.contains("Install what provides \"missing_dependency_of_amphis\""),
    "{message}"
  );
  assert!(
    traceback.contains("missing_dep.py\", line 1"),
    "{traceback}"
  );
  assert!(!traceback.contains("importlib"), "{traceback}");
  assert_eq!(
    failure("missing_self:app", &folder, false).0,
    AppErrorKind::Import
  );
}

#[test]
fn an_app_folder_one_too_deep_is_pointed_out() {
  let folder = Folder::with(&[
    ("deep_shop/main_of_deep.py", "import deep_shop.db\n"),
    ("deep_shop/db.py", ""),
  ]);
  let inner = Folder(folder.0.join("deep_shop"));
  let (code, message, _) = failure("main_of_deep:app", &inner, false);
  assert_eq!(code, AppErrorKind::Import);
  assert!(
    message.contains(&format!("Set `appDir` to {}", folder.path())),
    "{message}"
  );
}

#[test]
fn whatever_a_module_raises_is_contained() {
  let folder = Folder::with(&[
    ("raise_value.py", "raise ValueError('broken on line one')\n"),
    ("raise_exit.py", "import sys\nsys.exit(3)\n"),
    ("raise_interrupt.py", "raise KeyboardInterrupt\n"),
    ("raise_syntax.py", "def broken(:\n"),
  ]);
  for (target, kind, hint) in [
    ("raise_value:app", "ValueError", "broken on line one"),
    ("raise_exit:app", "SystemExit", "__main__"),
    ("raise_interrupt:app", "KeyboardInterrupt", "traceback"),
    ("raise_syntax:app", "SyntaxError", "traceback"),
  ] {
    let (code, message, traceback) = failure(target, &folder, false);
    assert_eq!(code, AppErrorKind::Import);
    assert!(
      message.contains(kind) && message.contains(hint),
      "{message}"
    );
    assert!(
      traceback.contains(kind) && traceback.contains(".py\", line"),
      "{traceback}"
    );
  }
}

#[test]
fn a_missing_attribute_names_what_is_near_or_could_be_it() {
  let folder = Folder::with(&[
    (
      "attribute_near.py",
      &format!("import asyncio\n{APP}application = app\n"),
    ),
    (
      "attribute_far.py",
      "from asyncio import sleep, Queue\nasync def server(scope, receive, send): pass\nnumber = 1\n",
    ),
    ("attribute_none.py", ""),
    (
      "attribute_raises.py",
      "def __getattr__(name): raise ValueError(name)\n",
    ),
  ]);
  let (code, message, _) = failure("attribute_near:aplication", &folder, false);
  assert_eq!(code, AppErrorKind::Attribute);
  assert!(
    message.contains("Did you mean \"application\"?"),
    "{message}"
  );
  let (_, message, _) = failure("attribute_far:app", &folder, false);
  assert!(
    message.ends_with("these can be called: \"server\"."),
    "{message}"
  );
  let (_, message, _) = failure("attribute_near:app.inner", &folder, false);
  assert!(
    message.contains("object \"attribute_near:app\" has no attribute \"inner\""),
    "{message}"
  );
  assert_eq!(
    failure("attribute_none:app", &folder, false).0,
    AppErrorKind::Attribute
  );
  let (code, message, traceback) = failure("attribute_raises:app", &folder, false);
  assert_eq!(code, AppErrorKind::Attribute);
  assert!(
    message.contains("ValueError: app") && !traceback.is_empty(),
    "{message}"
  );
}

#[test]
fn what_is_no_app_says_what_it_looks_like() {
  let folder = Folder::with(&[(
    "callable.py",
    "number = 1\n\
     def factory(): pass\n\
     def settings(config=None, debug=False): pass\n\
     def asgi2(scope): pass\n\
     async def two(one, other): pass\n\
     class Plain:\n  async def __call__(self, scope, receive, send): pass\n\
     class Three:\n  def __init__(self, scope, receive, send): pass\n\
     class Pair:\n  def __init__(self, left, right): pass\n\
     class Flaskish:\n  def __init__(self, name, path=None, folder=None): pass\n\
     anything = lambda *arguments: None\n\
     circle = lambda *arguments: None\n\
     circle.__wrapped__ = circle\n",
  )]);
  for (target, hint) in [
    ("number", "it is an int"),
    ("factory", "`factory` to true"),
    ("settings", "`factory` to true"),
    ("asgi2", "ASGI 2"),
    ("two", "three arguments"),
    ("Plain", "Name an instance"),
    ("Three", "Name an instance"),
    ("Pair", "Name an instance"),
    ("Flaskish", "Name an instance"),
    ("anything", "Set `interface` to 'asgi' or 'wsgi'"),
    ("circle", "Set `interface` to 'asgi' or 'wsgi'"),
  ] {
    let (code, message, _) = failure(&format!("callable:{target}"), &folder, false);
    assert_eq!(code, AppErrorKind::NotCallable, "{target}");
    assert!(message.contains(hint), "{message}");
  }
}

/// What is taken for each of an app's looks, when `auto`, `asgi` and `wsgi` are asked for; `None` is an error.
#[test]
fn an_interface_is_told_by_what_an_app_can_be_called_with() {
  use Interface::{Asgi, Wsgi};
  start_python();
  let module = Python::attach(|py| {
    PyModule::from_code(
      py,
      cr#"
import functools

async def asgi(scope, receive, send): pass
async def any_async(*arguments): pass
def returns_awaitable(scope, receive, send): pass
def wsgi(environ, start_response): pass
def wsgi_generator(environ, start_response): yield b""
def optional(environ, start_response, log=None): pass

class Asgi:
  async def __call__(self, scope, receive, send): pass
  def wsgi(self, environ, start_response): pass

class Any:
  async def __call__(self, *arguments): pass

class Wsgi:
  def __call__(self, environ, start_response): pass

class Slotted(Wsgi):
  def __init__(self): self.__call__ = asgi

class AsgiClass:
  def __init__(self, scope, receive, send): pass
  def __await__(self): yield

class WsgiClass:
  def __init__(self, environ, start_response): pass
  def __iter__(self): yield b""

def decorated(function):
  @functools.wraps(function)
  def wrapper(*arguments, **options): return function(*arguments, **options)
  return wrapper

@functools.wraps(wsgi)
def adapts(scope, receive, send): pass

instance, any_instance, wsgi_instance, slotted = Asgi(), Any(), Wsgi(), Slotted()
method = instance.wsgi
partial = functools.partial(lambda setting, scope, receive, send: None, 1)
partial_async = functools.partial(any_async, 1)
partial_wsgi = functools.partial(lambda setting, environ, start_response: None, 1)
decorated_asgi, decorated_wsgi = decorated(asgi), decorated(wsgi)
decorated_twice = decorated(decorated_wsgi)
decorated_object = decorated(wsgi_instance)
anything = lambda *arguments: None
builtin = print
"#,
      c"<interfaces>",
      c"interfaces_of_apps",
    )
    .map(Bound::unbind)
    .expect("the module runs")
  });
  for (name, auto, asgi, wsgi) in [
    ("asgi", Some(Asgi), true, false),
    ("any_async", Some(Asgi), true, false),
    ("returns_awaitable", Some(Asgi), true, false),
    ("wsgi", Some(Wsgi), false, true),
    ("wsgi_generator", Some(Wsgi), false, true),
    ("optional", None, true, true),
    ("instance", Some(Asgi), true, false),
    ("any_instance", Some(Asgi), true, false),
    ("wsgi_instance", Some(Wsgi), false, true),
    ("slotted", Some(Wsgi), false, true),
    ("AsgiClass", Some(Asgi), true, false),
    ("WsgiClass", Some(Wsgi), false, true),
    ("adapts", Some(Asgi), true, false),
    ("method", Some(Wsgi), false, true),
    ("partial", Some(Asgi), true, false),
    ("partial_async", Some(Asgi), true, false),
    ("partial_wsgi", Some(Wsgi), false, true),
    ("decorated_asgi", Some(Asgi), true, true),
    ("decorated_wsgi", Some(Wsgi), true, true),
    ("decorated_twice", Some(Wsgi), true, true),
    ("decorated_object", Some(Wsgi), true, true),
    ("anything", None, true, true),
    ("builtin", None, true, true),
  ] {
    Python::attach(|py| {
      let app = module.bind(py).getattr(name).expect("it is there");
      let ask = |asked| super::interface::recognise(&app, "The app", asked).ok();
      assert_eq!(ask(Asked::Auto), auto, "{name}");
      assert_eq!(
        ask(Asked::For(Asgi)),
        asgi.then_some(Asgi),
        "{name} as ASGI"
      );
      assert_eq!(
        ask(Asked::For(Wsgi)),
        wsgi.then_some(Wsgi),
        "{name} as WSGI"
      );
    });
  }
}

#[test]
fn a_factory_that_fails_says_how() {
  let folder = Folder::with(&[(
    "factory_main.py",
    "number = 1\n\
     def raises(): raise ValueError('no settings')\n\
     def none(): pass\n\
     async def coroutine(): pass\n\
     def argument(needed): pass\n\
     def exits(): raise SystemExit(2)\n",
  )]);
  let (code, message, _) = failure("factory_main:number", &folder, true);
  assert_eq!(code, AppErrorKind::NotCallable);
  assert!(message.contains("it is an int"), "{message}");
  for (target, hint) in [
    ("raises", "ValueError: no settings"),
    ("none", "returned a NoneType"),
    ("coroutine", "plain `def`"),
    ("argument", "needed"),
    ("exits", "SystemExit: 2"),
  ] {
    let (code, message, _) = failure(&format!("factory_main:{target}"), &folder, true);
    assert_eq!(code, AppErrorKind::Factory, "{target}");
    assert!(message.contains(hint), "{message}");
  }
}

#[test]
fn a_folder_whose_module_has_a_loaded_namesake_is_refused() {
  let one = Folder::with(&[
    ("same_main.py", APP),
    ("same_ns/app.py", APP),
    ("same_pkg/__init__.py", APP),
  ]);
  let other = Folder::with(&[
    ("same_main.py", APP),
    ("same_ns/app.py", APP),
    ("same_pkg/__init__.py", APP),
  ]);
  for target in ["same_main:app", "same_ns.app:app", "same_pkg:app"] {
    import(target, &one, false).expect("the first is imported");
    import(target, &one, false).expect("and again");
    let (code, message, _) = failure(target, &other, false);
    assert_eq!(code, AppErrorKind::Collision, "{target}");
    assert!(
      message.contains(other.path()) && message.contains(one.path()),
      "{message}"
    );
  }
}

#[test]
fn a_module_named_like_one_of_python_is_refused() {
  let folder = Folder::with(&[("json/__init__.py", APP), ("time.py", APP)]);
  for target in ["json:app", "time:app"] {
    assert_eq!(
      failure(target, &folder, false).0,
      AppErrorKind::Collision,
      "{target}"
    );
  }
}

#[test]
fn a_module_of_another_apps_folder_is_not_taken() {
  let one = Folder::with(&[("foreign_one.py", APP), ("foreign_unloaded.py", APP)]);
  let other = Folder::with(&[("foreign_other.py", APP)]);
  import("foreign_one:app", &one, false).expect("imported");
  for target in ["foreign_one:app", "foreign_unloaded:app"] {
    let (code, message, _) = failure(target, &other, false);
    assert_eq!(code, AppErrorKind::NotFound);
    assert!(message.contains("belongs to another app"), "{message}");
  }
  import("foreign_other:app", &other, false).expect("imported");
}

#[test]
fn helper_modules_of_two_apps_do_not_mix() {
  let one = Folder::with(&[
    ("mix_one.py", &format!("import mix_utils\n{APP}")),
    ("mix_utils.py", ""),
  ]);
  let other = Folder::with(&[
    ("mix_other.py", &format!("import mix_utils\n{APP}")),
    ("mix_utils.py", ""),
  ]);
  import("mix_one:app", &one, false).expect("imported");
  let (code, message, _) = failure("mix_other:app", &other, false);
  assert_eq!(code, AppErrorKind::Collision);
  assert!(message.contains("\"mix_utils\""), "{message}");
}

#[test]
fn a_folder_given_by_mistake_leaves_the_path() {
  let folder = Folder::with(&[("mistake.py", "")]);
  failure("mistake:app", &folder, false);
  let on_path = Python::attach(|py| {
    py.import("sys")?
      .getattr("path")?
      .contains(Path::new(folder.path()).as_os_str())
  });
  assert!(!on_path.expect("sys.path is a list"));
}

#[test]
fn a_missing_folder_is_named() {
  let folder = Folder(std::env::temp_dir().join("amphis-no-such-folder"));
  let (code, message, _) = failure("main:app", &folder, false);
  assert_eq!(code, AppErrorKind::NotFound);
  assert!(
    message.contains("amphis-no-such-folder does not exist"),
    "{message}"
  );
}
