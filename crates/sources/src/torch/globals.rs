//! The names that a checkpoint's pickle may mention: a closed list, and what each stands for. None of them is ever called.

use crate::{Encoding, FormatError};

/// An admitted global.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Set,
    /// `torch.Size`: a tuple.
    Size,
    /// The element type itself, as a value.
    Dtype(Dtype),
    /// The class of a storage; `None` for untyped bytes.
    Storage(Option<Dtype>),
    RebuildTensor,
    RebuildTensorV2,
    RebuildTensorV3,
    /// Tensor, then whether it wants gradients, hooks, perhaps state: the tensor is what counts.
    RebuildParameter,
    /// A tensor with Python attributes: function, type, arguments, state.
    RebuildFromType,
    /// Rebuilds a kind of tensor that this version leaves out with a warning.
    LeftOut(&'static str),
    /// TorchScript's typed lists and dictionaries: the first argument is the value.
    Transparent,
    /// A value without weights, whatever its arguments: a device, a layout, bytes, a class named as a type.
    Inert,
    /// A TorchScript class. Its code stays in the archive.
    Scripted,
}

/// The element type of a storage or a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dtype {
    Read(Encoding),
    /// A type that this version does not read, by torch's name.
    LeftOut(&'static str),
}

impl Global {
    /// What `module.name` stands for; every name outside the list is refused.
    pub(super) fn admit(module: &str, name: &str) -> Result<Self, FormatError> {
        let found = match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("builtins" | "__builtin__", "set" | "frozenset") => Some(Self::Set),
            ("_codecs", "encode") => Some(Self::Inert),
            ("torch", "Size") => Some(Self::Size),
            ("torch", "device" | "Tensor" | "per_tensor_affine" | "per_channel_affine") => Some(Self::Inert),
            ("torch.nn.parameter", "Parameter") => Some(Self::Inert),
            ("torch.serialization", "_get_layout") => Some(Self::Inert),
            ("torch.storage", "UntypedStorage") | ("torch", "UntypedStorage") => Some(Self::Storage(None)),
            ("torch" | "torch.cuda", storage) if storage.ends_with("Storage") => {
                storage_dtype(storage).map(|dtype| Self::Storage(Some(dtype)))
            }
            ("torch", dtype) => named_dtype(dtype).map(Self::Dtype),
            ("torch._utils", function) => rebuild(function),
            ("torch._tensor", "_rebuild_from_type_v2") => Some(Self::RebuildFromType),
            ("torch.jit._pickle", "build_intlist" | "build_doublelist" | "build_boollist" | "build_tensorlist" | "restore_type_tag") => {
                Some(Self::Transparent)
            }
            (scripted, _) if scripted == "__torch__" || scripted.starts_with("__torch__.") => Some(Self::Scripted),
            _ => None,
        };
        found.ok_or_else(|| {
            FormatError::new(
                "pickle global",
                format!("`{}.{}`", module.escape_debug(), name.escape_debug()),
                "one of the data-only globals",
            )
            .hint("the pickle asks for code, which is never run; in a Python that you trust with it, save `model.state_dict()` alone, or use safetensors")
        })
    }
}

fn rebuild(function: &str) -> Option<Global> {
    Some(match function {
        "_rebuild_tensor" => Global::RebuildTensor,
        "_rebuild_tensor_v2" => Global::RebuildTensorV2,
        "_rebuild_tensor_v3" => Global::RebuildTensorV3,
        "_rebuild_parameter" | "_rebuild_parameter_with_state" => Global::RebuildParameter,
        "_rebuild_qtensor" => Global::LeftOut("_rebuild_qtensor"),
        "_rebuild_sparse_tensor" => Global::LeftOut("_rebuild_sparse_tensor"),
        "_rebuild_sparse_csr_tensor" => Global::LeftOut("_rebuild_sparse_csr_tensor"),
        "_rebuild_nested_tensor" => Global::LeftOut("_rebuild_nested_tensor"),
        "_rebuild_meta_tensor_no_storage" => Global::LeftOut("_rebuild_meta_tensor_no_storage"),
        _ => return None,
    })
}

fn storage_dtype(class: &str) -> Option<Dtype> {
    Some(match class {
        "FloatStorage" => Dtype::Read(Encoding::F32),
        "DoubleStorage" => Dtype::Read(Encoding::F64),
        "HalfStorage" => Dtype::Read(Encoding::F16),
        "BFloat16Storage" => Dtype::Read(Encoding::Bf16),
        "LongStorage" => Dtype::Read(Encoding::I64),
        "IntStorage" => Dtype::Read(Encoding::I32),
        "ShortStorage" => Dtype::Read(Encoding::I16),
        "CharStorage" => Dtype::Read(Encoding::I8),
        "ByteStorage" => Dtype::Read(Encoding::U8),
        "BoolStorage" => Dtype::Read(Encoding::Bool),
        "ComplexFloatStorage" => Dtype::LeftOut("complex64"),
        "ComplexDoubleStorage" => Dtype::LeftOut("complex128"),
        "QInt8Storage" => Dtype::LeftOut("qint8"),
        "QUInt8Storage" => Dtype::LeftOut("quint8"),
        "QInt32Storage" => Dtype::LeftOut("qint32"),
        "QUInt4x2Storage" => Dtype::LeftOut("quint4x2"),
        "QUInt2x4Storage" => Dtype::LeftOut("quint2x4"),
        _ => return None,
    })
}

fn named_dtype(name: &str) -> Option<Dtype> {
    Some(match name {
        "float32" | "float" => Dtype::Read(Encoding::F32),
        "float64" | "double" => Dtype::Read(Encoding::F64),
        "float16" | "half" => Dtype::Read(Encoding::F16),
        "bfloat16" => Dtype::Read(Encoding::Bf16),
        "float8_e4m3fn" => Dtype::Read(Encoding::F8E4M3),
        "float8_e5m2" => Dtype::Read(Encoding::F8E5M2),
        "int64" | "long" => Dtype::Read(Encoding::I64),
        "int32" | "int" => Dtype::Read(Encoding::I32),
        "int16" | "short" => Dtype::Read(Encoding::I16),
        "int8" => Dtype::Read(Encoding::I8),
        "uint64" => Dtype::Read(Encoding::U64),
        "uint32" => Dtype::Read(Encoding::U32),
        "uint16" => Dtype::Read(Encoding::U16),
        "uint8" => Dtype::Read(Encoding::U8),
        "bool" => Dtype::Read(Encoding::Bool),
        "float8_e4m3fnuz" => Dtype::LeftOut("float8_e4m3fnuz"),
        "float8_e5m2fnuz" => Dtype::LeftOut("float8_e5m2fnuz"),
        "float8_e8m0fnu" => Dtype::LeftOut("float8_e8m0fnu"),
        "float4_e2m1fn_x2" => Dtype::LeftOut("float4_e2m1fn_x2"),
        "complex32" => Dtype::LeftOut("complex32"),
        "complex64" => Dtype::LeftOut("complex64"),
        "complex128" => Dtype::LeftOut("complex128"),
        "qint8" => Dtype::LeftOut("qint8"),
        "quint8" => Dtype::LeftOut("quint8"),
        "qint32" => Dtype::LeftOut("qint32"),
        "quint4x2" => Dtype::LeftOut("quint4x2"),
        "quint2x4" => Dtype::LeftOut("quint2x4"),
        _ => return None,
    })
}
