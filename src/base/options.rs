//! Options as data. JavaScript has checked them.

/// How an app is found and served.
pub struct AppOptions {
  /// `module:attribute`
  pub target: String,
  /// Absolute folder that is put first on `sys.path`.
  pub app_dir: String,
  pub factory: bool,
  /// `auto`, `asgi` or `wsgi`
  pub interface: String,
  pub wsgi_threads: u32,
  pub root_path: String,
  pub lifespan: LifespanMode,
  /// Level of Python's root logger, unless somebody configures it.
  pub log_level: Option<String>,
  /// Absolute path of a file for `logging.config`.
  pub log_config: Option<String>,
  /// Whether what the start has made is kept from the collector.
  pub gc_freeze: bool,
  /// Whose JavaScript the app's code calls.
  pub owner: u32,
}

/// Whether an app is asked for its lifespan, in uvicorn's three words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifespanMode {
  Auto,
  On,
  Off,
}

impl LifespanMode {
  /// JavaScript has checked the word.
  pub fn parse(word: &str) -> Self {
    match word {
      "on" => Self::On,
      "off" => Self::Off,
      _ => Self::Auto,
    }
  }
}

/// Which loop to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopKind {
  Auto,
  Uvloop,
  Asyncio,
}

impl LoopKind {
  pub fn parse(name: &str) -> Option<Self> {
    match name {
      "auto" => Some(Self::Auto),
      "uvloop" => Some(Self::Uvloop),
      "asyncio" => Some(Self::Asyncio),
      _ => None,
    }
  }

  pub const fn name(self) -> &'static str {
    match self {
      Self::Auto => "auto",
      Self::Uvloop => "uvloop",
      Self::Asyncio => "asyncio",
    }
  }
}
