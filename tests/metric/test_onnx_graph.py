"""The reader of ONNX files: it sees what the package onnx sees, and refuses what is cut off."""

import pytest

from mmqpt.core.errors import InputError
from mmqpt.metric.onnx_graph import read_graph
from mmqpt.metric.weights import find_weights

onnx = pytest.importorskip('onnx')
helper, kinds = onnx.helper, onnx.TensorProto


def node(kind, domain='', **attributes):
    return helper.make_node(kind, ['x'], ['y'], domain=domain, **attributes)


def model(nodes, **options):
    shape = helper.make_tensor_value_info('photos', kinds.FLOAT, ['batch', 3, None, 20])
    out = helper.make_tensor_value_info('scores', kinds.FLOAT, ['batch'])
    return helper.make_model(helper.make_graph(nodes, 'g', [shape], [out], **options))


def test_sees_what_onnx_sees():
    data = find_weights().with_suffix('.onnx').read_bytes()
    loaded, found = onnx.load_model_from_string(data), read_graph(data)
    assert found.metadata == {prop.key: prop.value for prop in loaded.metadata_props}
    assert found.operators == {(one.domain, one.op_type) for one in loaded.graph.node}
    assert (found.inputs, found.outputs) == ({'photos': (0, 3, 0, 0)}, ['scores'])
    assert not found.has_functions
    assert not found.has_external


def test_shapes_operators_and_metadata():
    inner = helper.make_graph([node('Inner', 'one')], 'g', [], [])
    deep = helper.make_graph([node('If', then_branch=inner, else_branch=inner)], 'g', [], [])
    made = model([node('Relu'), node('Loop', body=deep), node('Other', 'two', graphs=[inner])])
    helper.set_model_props(made, {'a': 'ü', 'b': ''})
    found = read_graph(made.SerializeToString())
    assert found.inputs == {'photos': (0, 3, 0, 20)}
    assert found.operators == {
        ('', 'Relu'), ('', 'Loop'), ('', 'If'), ('one', 'Inner'), ('two', 'Other')
    }  # fmt: skip
    assert found.metadata == {'a': 'ü', 'b': ''}


def external(name='t'):
    tensor = helper.make_tensor(name, kinds.FLOAT, [1], [0.0])
    tensor.data_location = kinds.EXTERNAL
    tensor.external_data.add(key='location', value='secret')
    return tensor


def located():
    tensor = helper.make_tensor('t', kinds.FLOAT, [1], [0.0])
    tensor.data_location = kinds.EXTERNAL
    return tensor


@pytest.mark.parametrize(
    'made',
    [
        lambda: model([node('Relu')], initializer=[external()]),
        lambda: model([node('Relu')], initializer=[located()]),
        lambda: model([node('Constant', value=external())]),
        lambda: model([node('Constant', values=[external()])]),
        lambda: model([node('If', then_branch=helper.make_graph([], 'g', [], [], initializer=[external()]))]),
        lambda: model(
            [node('Relu')],
            sparse_initializer=[
                helper.make_sparse_tensor(external(), helper.make_tensor('i', kinds.INT64, [1], [0]), [3])
            ],
        ),
    ],
    ids=['tensor', 'location', 'attribute', 'attributes', 'branch', 'sparse'],
)
def test_tensors_in_other_files(made):
    assert read_graph(made().SerializeToString()).has_external


def test_functions_and_training():
    made = model([node('Relu')])
    assert not read_graph(made.SerializeToString()).has_functions
    made.functions.add(name='f')
    assert read_graph(made.SerializeToString()).has_functions
    made = model([node('Relu')])
    made.training_info.add()
    assert read_graph(made.SerializeToString()).has_functions


def test_every_occurrence_counts():
    """Protocol Buffers takes the last of two values, and joins two messages: nothing may hide behind another."""
    first = model([node('Evil', 'bad')]).SerializeToString()
    second = model([node('Relu')]).SerializeToString()
    for data in (first + second, second + first):
        assert read_graph(data).operators == {('bad', 'Evil'), ('', 'Relu')}
        assert {one.op_type for one in onnx.load_model_from_string(data).graph.node} == {'Evil', 'Relu'}


@pytest.mark.parametrize(
    'data',
    [
        *(b'', b'\x00', b'text', b'\x3a\xff', b'\x3a' + b'\xff' * 11, b'\x3b\x00', b'\x38\x01', b'\x3a\x02\x0a\xff'),
        b'\xba\x80\x80\x80\x10\x00',
    ],
    ids=['empty', 'number 0', 'text', 'cut', 'long', 'group', 'integer', 'cut inside', 'number of 7 + 2 ** 29'],
)
def test_what_is_no_onnx_file(data):
    with pytest.raises(InputError, match='not an ONNX file, or a damaged one'):
        read_graph(data)


def test_every_cut_is_noticed_or_leaves_a_graph():
    data = model([node('Relu')]).SerializeToString()
    whole = read_graph(data)
    for end in range(len(data)):
        try:
            found = read_graph(data[:end])
        except InputError:
            continue
        assert found.operators <= whole.operators
