"""Writes testdata/onnx/*: small valid ONNX files, made by the official library, for the tests of the ONNX reader.

Made with onnx 1.23.2, onnxruntime 1.32.0 and numpy 2.4.6. Run from the root of the repository: python3 testdata/scripts/make_onnx.py
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

FOLDER = pathlib.Path("testdata/onnx")
OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]


def wave(*shape):
    """Weights that a test can make again: sin(i), i = 0, 1, 2, ... in row-major order."""
    return np.sin(np.arange(np.prod(shape), dtype=np.float64)).astype(np.float32).reshape(shape)


def value(name, shape=None, data_type=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, data_type, shape)


def raw(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def save(name, graph, **more):
    onnx.save(helper.make_model(graph, opset_imports=OPSETS, ir_version=8, producer_name="filiation-testdata", **more), FOLDER / name)


def dtypes():
    """Every data type, as raw data and as typed data, with the values 0 to 5 in shape [2, 3]."""
    tensors = []
    kinds = "FLOAT UINT8 INT8 UINT16 INT16 INT32 INT64 BOOL FLOAT16 DOUBLE UINT32 UINT64 BFLOAT16 FLOAT8E4M3FN FLOAT8E5M2"
    for kind in kinds.split():
        data_type = getattr(TensorProto, kind)
        array = np.arange(6).reshape(2, 3).astype(helper.tensor_dtype_to_np_dtype(data_type))
        tensors.append(helper.make_tensor(f"typed_{kind}", data_type, [2, 3], array.flatten().tolist()))
        tensors.append(helper.make_tensor(f"raw_{kind}", data_type, [2, 3], array.tobytes(), raw=True))
    tensors.append(helper.make_tensor("negative", TensorProto.INT64, [2], [-1, -(1 << 40)]))
    tensors.append(helper.make_tensor("scalar", TensorProto.FLOAT, [], [2.5]))
    tensors.append(helper.make_tensor("empty", TensorProto.INT64, [0], []))
    tensors.append(helper.make_tensor("nibbles", TensorProto.INT4, [2], [1, 2]))
    tensors.append(helper.make_tensor("words", TensorProto.STRING, [1], ["text"]))
    graph = helper.make_graph([], "dtypes", [], [], tensors)
    values = helper.make_tensor("thin", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("thin_indices", TensorProto.INT64, [1], [2])
    graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    save("dtypes.onnx", graph)


def external():
    """All data in one further file, a scale too."""
    tensors = [raw("first", wave(2, 3)), raw("second", wave(4)), raw("q", np.int8([1, 2])), raw("s", np.float32([0.5, 2]))]
    nodes = [helper.make_node("DequantizeLinear", ["q", "s"], ["y"], axis=0)]
    model = helper.make_model(helper.make_graph(nodes, "external", [], [], tensors), opset_imports=OPSETS, ir_version=8)
    (FOLDER / "external.data").unlink(missing_ok=True)
    onnx.save(model, FOLDER / "external.onnx", save_as_external_data=True, location="external.data", size_threshold=0)
    (FOLDER / "external.data").chmod(0o644)


def constant(name, array):
    return helper.make_node("Constant", [], [name], value=raw("ignored", array))


def scopes():
    """The same name in both branches of an If, one name of its own, a branch inside a branch, and the body of a function."""
    inner = helper.make_graph([constant("w", wave(2) + 3)], "inner", [], [value("w")])
    again = helper.make_graph([constant("only", wave(2) + 4)], "again", [], [value("only")])
    then = helper.make_graph(
        [constant("w", wave(2)), helper.make_node("If", ["flag"], ["z"], name="Deep", then_branch=inner, else_branch=again)],
        "then", [], [value("w")],
    )
    other = helper.make_graph([helper.make_node("Identity", ["w"], ["u"])], "else", [], [value("u")], [raw("w", wave(2) + 1)])
    graph = helper.make_graph(
        [helper.make_node("If", ["flag"], ["y"], then_branch=then, else_branch=other)],
        "scopes", [value("flag", [], TensorProto.BOOL)], [value("y")], [raw("main", wave(2))],
    )
    body = helper.make_function("own", "Scaled", ["x"], ["c"], [constant("c", wave(2) + 2)], OPSETS)
    save("scopes.onnx", graph, functions=[body])


def quantised():
    """Each way in which a graph gives a scale to stored integers; the integers are 0 to 5 in shape [2, 3]."""
    q = np.arange(6, dtype=np.int8).reshape(2, 3)
    initializers, nodes = [], []

    def put(name, array):
        initializers.append(raw(name, array))
        return name

    def add(op, inputs, **attributes):
        nodes.append(helper.make_node(op, inputs, [f"y{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    rows, columns = np.float32([0.5, 2]), np.float32([0.5, 2, 4])
    one, zero = np.float32(0.25), np.int8(3)
    add("DequantizeLinear", [put("dq.single", q), put("s0", one), put("z0", zero)])
    add("DequantizeLinear", [put("dq.default_axis", q), put("s1", columns), put("z1", np.int8([0, 1, 2]))])
    add("DequantizeLinear", [put("dq.rows", q), put("s2", rows)], axis=-2)
    add("Identity", [put("dq.copied", q)])
    add("DequantizeLinear", [nodes[-1].output[0], put("s3", one)])
    add("Gather", [put("dq.table", q.astype(np.uint8)), "ids"])
    add("DequantizeLinear", [nodes[-1].output[0], put("s4", one), put("z4", np.uint8(1))])
    add("DequantizeLinear", [put("dq.bias", np.int32([100, -200, 300])), put("s5", columns)], axis=0)
    cast = add("Cast", [put("cast.columns", q)], to=TensorProto.FLOAT)
    add("Mul", [put("s6", columns[None, :]), cast])
    cast = add("Cast", [put("cast.shifted", q)], to=TensorProto.FLOAT)
    add("Mul", [add("Sub", [cast, put("z7", np.float32(2))]), put("s7", rows[:, None])])
    product = add("MatMulInteger", ["a", put("integer.columns", q), "a_zero", put("z8", np.int8([1, 0, 1]))])
    scale = add("Mul", ["a_scale", put("s8", columns)])
    add("Mul", [add("Cast", [product], to=TensorProto.FLOAT), scale])
    kernel = np.arange(6, dtype=np.uint8).reshape(2, 3, 1, 1)
    product = add("ConvInteger", ["image", put("integer.kernel", kernel), "a_zero", put("z9", np.uint8(1))])
    scale = add("Mul", ["a_scale", put("s9", rows.reshape(1, 2, 1, 1))])
    add("Mul", [add("Cast", [product], to=TensorProto.FLOAT), scale])
    add("MatMulInteger", ["a", put("lost", q)])
    activation = [put("x_scale", np.float32(2)), put("x_zero", np.int8(0))]
    result = [put("y_scale", np.float32(1)), put("y_zero", np.int8(0))]
    add("QLinearMatMul", ["a", *activation, put("linear.columns", q), put("s10", columns), put("z10", np.int8([0, 0, 1])), *result])
    bias = put("linear.bias", np.int32([8, 16]))
    add("QLinearConv", ["image", *activation, put("linear.kernel", kernel), put("s11", rows), put("z11", np.uint8([0, 0])), *result, bias])
    gemm = [put("gemm.rows", q), put("s12", rows), put("z12", np.int8([0, 1])), put("gemm.bias", np.int32([4, 4])), *result]
    add("QGemm", ["a", *activation, *gemm], domain="com.microsoft", transB=1)
    add("DynamicQuantizeMatMul", ["a", put("dynamic.columns", q), put("s13", columns)], domain="com.microsoft")
    put("named_quantized", q)
    put("named_scale", one)
    put("named_zero_point", zero)
    packed = [put("packed", np.zeros((2, 1, 8), np.uint8)), put("s14", rows)]
    add("MatMulNBits", ["a", *packed], domain="com.microsoft", K=16, N=2, bits=4, block_size=16)
    add("DequantizeLinear", [put("blocks", q), put("s15", np.ones((2, 1), np.float32))], axis=1, block_size=3)
    put("plain", wave(2))
    save("quantised.onnx", helper.make_graph(nodes, "quantised", [value("a")], [value("y0")], initializers))


def dynamic():
    """A real quantiser's output: MatMul, embedding and LSTM of ONNX Runtime's dynamic quantisation, a scale a channel."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("MatMul", ["rows", "linear"], ["hidden"]),
        helper.make_node("LSTM", ["hidden", "W", "R"], ["out"], hidden_size=2),
    ]
    tensors = [raw("table", wave(6, 4)), raw("linear", wave(4, 3)), raw("W", wave(1, 8, 3)), raw("R", wave(1, 8, 2))]
    graph = helper.make_graph(nodes, "dynamic", [value("ids", [5, 1], TensorProto.INT64)], [value("out", None)], tensors)
    onnx.save(helper.make_model(graph, opset_imports=OPSETS[:1], ir_version=8), FOLDER / "float.onnx")
    quantize_dynamic(FOLDER / "float.onnx", FOLDER / "dynamic.onnx", per_channel=True, weight_type=QuantType.QInt8)
    (FOLDER / "float.onnx").unlink()


def recurrent():
    """Recurrent layers with 2 inputs and 1 unit; each element of W, R and B is its own index."""
    nodes, tensors = [], []

    def layer(op, n_gates, n_directions, **attributes):
        shapes = {"W": (n_directions, n_gates, 2), "R": (n_directions, n_gates, 1), "B": (n_directions, 2 * n_gates)}
        for part, shape in shapes.items():
            tensors.append(raw(f"{op}.{part}", np.arange(np.prod(shape), dtype=np.float32).reshape(shape)))
        inputs = ["x", *[f"{op}.{part}" for part in shapes]]
        nodes.append(helper.make_node(op, inputs, [f"{op}.y"], hidden_size=1, **attributes))

    layer("GRU", 3, 1, linear_before_reset=1)
    layer("LSTM", 4, 2, direction="bidirectional")
    layer("RNN", 1, 1)
    save("recurrent.onnx", helper.make_graph(nodes, "recurrent", [value("x")], [value("GRU.y")], tensors))


FOLDER.mkdir(parents=True, exist_ok=True)
for make in (dtypes, external, scopes, quantised, dynamic, recurrent):
    make()
