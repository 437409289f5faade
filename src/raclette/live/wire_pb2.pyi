from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Control(_message.Message):
    __slots__ = ("hello", "ping", "pong", "goodbye")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    ping: Ping
    pong: Pong
    goodbye: Goodbye
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., goodbye: _Optional[_Union[Goodbye, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("version", "chain_id", "genesis_hash", "node_id", "host", "port", "name", "role", "instance")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    GENESIS_HASH_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    version: int
    chain_id: int
    genesis_hash: bytes
    node_id: bytes
    host: str
    port: int
    name: str
    role: int
    instance: bytes
    def __init__(self, version: _Optional[int] = ..., chain_id: _Optional[int] = ..., genesis_hash: _Optional[bytes] = ..., node_id: _Optional[bytes] = ..., host: _Optional[str] = ..., port: _Optional[int] = ..., name: _Optional[str] = ..., role: _Optional[int] = ..., instance: _Optional[bytes] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    def __init__(self, nonce: _Optional[int] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    def __init__(self, nonce: _Optional[int] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = ("reason", "detail")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    reason: str
    detail: str
    def __init__(self, reason: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class PeerRecord(_message.Message):
    __slots__ = ("chain_id", "node_id", "name", "account_key", "host", "port", "sequence", "signature")
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_KEY_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    chain_id: int
    node_id: bytes
    name: str
    account_key: bytes
    host: str
    port: int
    sequence: int
    signature: bytes
    def __init__(self, chain_id: _Optional[int] = ..., node_id: _Optional[bytes] = ..., name: _Optional[str] = ..., account_key: _Optional[bytes] = ..., host: _Optional[str] = ..., port: _Optional[int] = ..., sequence: _Optional[int] = ..., signature: _Optional[bytes] = ...) -> None: ...

class TrackerFrame(_message.Message):
    __slots__ = ("join", "joined", "leave", "announce", "ack", "alive", "resolve", "resolved", "list", "listed")
    JOIN_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCE_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    ALIVE_FIELD_NUMBER: _ClassVar[int]
    RESOLVE_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    LISTED_FIELD_NUMBER: _ClassVar[int]
    join: Join
    joined: Joined
    leave: Leave
    announce: Announce
    ack: Ack
    alive: Alive
    resolve: Resolve
    resolved: Resolved
    list: List
    listed: Listed
    def __init__(self, join: _Optional[_Union[Join, _Mapping]] = ..., joined: _Optional[_Union[Joined, _Mapping]] = ..., leave: _Optional[_Union[Leave, _Mapping]] = ..., announce: _Optional[_Union[Announce, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., alive: _Optional[_Union[Alive, _Mapping]] = ..., resolve: _Optional[_Union[Resolve, _Mapping]] = ..., resolved: _Optional[_Union[Resolved, _Mapping]] = ..., list: _Optional[_Union[List, _Mapping]] = ..., listed: _Optional[_Union[Listed, _Mapping]] = ...) -> None: ...

class Join(_message.Message):
    __slots__ = ("record",)
    RECORD_FIELD_NUMBER: _ClassVar[int]
    record: PeerRecord
    def __init__(self, record: _Optional[_Union[PeerRecord, _Mapping]] = ...) -> None: ...

class Joined(_message.Message):
    __slots__ = ("neighbours", "refused", "detail")
    NEIGHBOURS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    neighbours: _containers.RepeatedCompositeFieldContainer[PeerRecord]
    refused: str
    detail: str
    def __init__(self, neighbours: _Optional[_Iterable[_Union[PeerRecord, _Mapping]]] = ..., refused: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Leave(_message.Message):
    __slots__ = ("sequence", "signature")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    signature: bytes
    def __init__(self, sequence: _Optional[int] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Announce(_message.Message):
    __slots__ = ("id", "record", "gone")
    ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    record: PeerRecord
    gone: bool
    def __init__(self, id: _Optional[bytes] = ..., record: _Optional[_Union[PeerRecord, _Mapping]] = ..., gone: _Optional[bool] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Alive(_message.Message):
    __slots__ = ("nonce", "answer")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    answer: bool
    def __init__(self, nonce: _Optional[int] = ..., answer: _Optional[bool] = ...) -> None: ...

class Resolve(_message.Message):
    __slots__ = ("question", "name")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    question: int
    name: str
    def __init__(self, question: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class Resolved(_message.Message):
    __slots__ = ("question", "record")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    question: int
    record: PeerRecord
    def __init__(self, question: _Optional[int] = ..., record: _Optional[_Union[PeerRecord, _Mapping]] = ...) -> None: ...

class List(_message.Message):
    __slots__ = ("question", "after")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    question: int
    after: bytes
    def __init__(self, question: _Optional[int] = ..., after: _Optional[bytes] = ...) -> None: ...

class Listed(_message.Message):
    __slots__ = ("question", "records", "more")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    question: int
    records: _containers.RepeatedCompositeFieldContainer[PeerRecord]
    more: bool
    def __init__(self, question: _Optional[int] = ..., records: _Optional[_Iterable[_Union[PeerRecord, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...
