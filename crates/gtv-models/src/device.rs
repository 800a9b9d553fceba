//! Devices: which of Burn's backends this build has, what they find on this machine, and opening one.

use crate::error::{Error, Result};
#[cfg(feature = "flex")]
use crate::mlp::FusedEngine;
#[cfg(feature = "mlp")]
use crate::mlp::TensorEngine;
use crate::mlp::{Engine, Task, Weights};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(feature = "mlp")]
pub use burn::tensor::Device;

/// Burn's device; without Burn there is none.
#[cfg(not(feature = "mlp"))]
#[derive(Debug)]
pub enum Device {}

/// A backend of Burn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// Burn's maintained CPU backend.
    #[default]
    Flex,
    /// Burn's former CPU backend.
    Ndarray,
    /// Any GPU, through wgpu (Vulkan, Metal, DirectX 12).
    Wgpu,
    /// An NVIDIA GPU, through CUDA.
    Cuda,
}

/// What a backend offers on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// The names of its devices, the default one first.
    Ready(Vec<String>),
    /// Compiled in, but without a device; why.
    NoDevice(String),
    /// Not compiled into this program.
    NotCompiled,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Flex, Self::Ndarray, Self::Wgpu, Self::Cuda];

    /// The name used in configs, on the command line, and as cargo feature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }

    /// Whether this program was built with it.
    pub fn compiled(self) -> bool {
        match self {
            Self::Flex => cfg!(feature = "flex"),
            Self::Ndarray => cfg!(feature = "ndarray"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Cuda => cfg!(feature = "cuda"),
        }
    }

    /// Whether it computes on the CPU's own threads.
    pub fn on_cpu(self) -> bool {
        matches!(self, Self::Flex | Self::Ndarray)
    }

    /// What it finds on this machine. Opens the devices it names.
    pub fn availability(self) -> Availability {
        if !self.compiled() {
            return Availability::NotCompiled;
        }
        match self {
            Self::Flex | Self::Ndarray => {
                Availability::Ready(vec![format!("CPU, {} threads", rayon::current_num_threads())])
            }
            Self::Wgpu | Self::Cuda => match quietly(|| gpu_names(self)) {
                Ok(names) if names.is_empty() => Availability::NoDevice(self.missing().to_owned()),
                Ok(names) => Availability::Ready(names),
                Err(panic) => Availability::NoDevice(panic),
            },
        }
    }

    /// Opens the default device.
    ///
    /// # Errors
    /// [`Error::Device`] when the backend is not compiled in or finds no device.
    pub fn open(self) -> Result<Device> {
        let fail = |reason: String| Error::Device { device: self.name(), reason };
        match self.availability() {
            Availability::NotCompiled => {
                Err(fail(format!("this program was built without it; {}", self.advice())))
            }
            Availability::NoDevice(reason) => Err(fail(reason)),
            Availability::Ready(_) => quietly(|| device(self))
                .map_err(fail)?
                .ok_or_else(|| fail("it is not part of this program".to_owned())),
        }
    }

    /// An engine for networks on the default device.
    ///
    /// # Errors
    /// As [`Backend::open`], and weights of another architecture.
    #[cfg_attr(not(feature = "mlp"), allow(unused_variables))] // Networks that nothing can train.
    pub fn engine(self, task: &Task, initial: &[Weights]) -> Result<Box<dyn Engine>> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Ok(Box::new(FusedEngine::new(task, initial)?)),
            #[cfg(feature = "mlp")]
            _ => Ok(Box::new(TensorEngine::new(task, initial, &self.open()?)?)),
            #[cfg(not(feature = "mlp"))]
            _ => match self.open()? {},
        }
    }

    /// What to do where a program was built without it.
    pub fn advice(self) -> String {
        let (name, here) = (self.name(), Self::ALL.into_iter().filter(|b| b.compiled()));
        match here.map(Self::name).collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => {
                format!("build with --features {name}: this build trains no networks (mlp)")
            }
            names => format!("build with --features {name}, or choose one of: {names}"),
        }
    }

    /// What to do when there is no device.
    fn missing(self) -> &'static str {
        match self {
            Self::Cuda => {
                "no CUDA device was found; it needs an NVIDIA GPU with its driver (libcuda) and NVRTC"
            }
            _ => {
                "no GPU was found; it needs a Vulkan, Metal or DirectX 12 driver (on Linux, a software one is \
                  mesa-vulkan-drivers with libvulkan1)"
            }
        }
    }
}

/// The default device of a compiled backend.
fn device(backend: Backend) -> Option<Device> {
    match backend {
        #[cfg(feature = "flex")]
        Backend::Flex => Some(Device::flex()),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)] // Kept for those who ask for it.
        Backend::Ndarray => Some(Device::ndarray()),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => Some(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cuda")]
        Backend::Cuda => Some(Device::cuda(0usize)),
        #[allow(unreachable_patterns)] // All features at once.
        _ => None,
    }
}

/// The names of a GPU backend's devices.
fn gpu_names(backend: Backend) -> Vec<String> {
    match backend {
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => named(Device::enumerate(burn::tensor::DeviceType::Wgpu)),
        #[cfg(feature = "cuda")]
        Backend::Cuda => named(Device::enumerate(burn::tensor::DeviceType::Cuda)),
        _ => Vec::new(),
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn named(devices: burn::tensor::Devices) -> Vec<String> {
    devices.into_vec().into_iter().filter_map(|d| d.identity()).map(|i| i.name).collect()
}

/// Runs driver code that panics where this crate returns errors: the panic's message, without a backtrace on stderr.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    use std::panic;
    // The hook is the process's: other threads' panics are still told while this one's are kept.
    let (mine, before) = (std::thread::current().id(), panic::take_hook());
    let before = std::sync::Arc::new(before);
    let others = before.clone();
    panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() != mine {
            others(info);
        }
    }));
    let outcome = panic::catch_unwind(panic::AssertUnwindSafe(work));
    let _ = panic::take_hook();
    panic::set_hook(Box::new(move |info| before(info)));
    outcome.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "the driver failed without a message".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_panics_become_messages() {
        assert_eq!(quietly(|| 3), Ok(3));
        assert_eq!(quietly(|| -> u8 { panic!("no adapter {}", 7) }), Err("no adapter 7".to_owned()));
    }

    #[test]
    fn limits_missing_backends_say_how_to_get_them() {
        for backend in Backend::ALL.into_iter().filter(|b| !b.compiled()) {
            let message = backend.open().unwrap_err().to_string();
            assert!(message.contains(&format!("--features {}", backend.name())), "{message}");
        }
        for backend in Backend::ALL.into_iter().filter(|b| b.compiled() && b.on_cpu()) {
            assert!(backend.open().is_ok(), "{backend:?}");
        }
    }
}
