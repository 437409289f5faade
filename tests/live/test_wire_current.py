"""The generated code beside `wire.proto` is what the compiler makes of it."""

import subprocess
import sys
from pathlib import Path

from google.protobuf import descriptor_pb2

import raclette
from raclette.live import wire_pb2

SOURCE = Path(raclette.__file__).parents[1]


def test_the_generated_code_is_current(tmp_path: Path) -> None:
    options = [f"-I{SOURCE}", f"--descriptor_set_out={tmp_path / 'out'}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, "raclette/live/wire.proto"], check=True)
    compiled = descriptor_pb2.FileDescriptorSet.FromString((tmp_path / "out").read_bytes()).file[0]
    checked_in = descriptor_pb2.FileDescriptorProto.FromString(wire_pb2.DESCRIPTOR.serialized_pb)
    for message in compiled.message_type:
        for field in message.field:
            field.ClearField("json_name")
    assert compiled == checked_in, "run `make protobuf`"
