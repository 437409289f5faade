from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Frame(_message.Message):
    __slots__ = ("status", "engine", "transactions", "announcement", "get_headers", "headers", "get_bodies", "bodies", "get_block_transactions", "block_transactions", "public_message")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCEMENT_FIELD_NUMBER: _ClassVar[int]
    GET_HEADERS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    GET_BODIES_FIELD_NUMBER: _ClassVar[int]
    BODIES_FIELD_NUMBER: _ClassVar[int]
    GET_BLOCK_TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    status: Status
    engine: EngineMessage
    transactions: Transactions
    announcement: Announcement
    get_headers: GetHeaders
    headers: Headers
    get_bodies: GetBodies
    bodies: Bodies
    get_block_transactions: GetBlockTransactions
    block_transactions: BlockTransactions
    public_message: PublicMessage
    def __init__(self, status: _Optional[_Union[Status, _Mapping]] = ..., engine: _Optional[_Union[EngineMessage, _Mapping]] = ..., transactions: _Optional[_Union[Transactions, _Mapping]] = ..., announcement: _Optional[_Union[Announcement, _Mapping]] = ..., get_headers: _Optional[_Union[GetHeaders, _Mapping]] = ..., headers: _Optional[_Union[Headers, _Mapping]] = ..., get_bodies: _Optional[_Union[GetBodies, _Mapping]] = ..., bodies: _Optional[_Union[Bodies, _Mapping]] = ..., get_block_transactions: _Optional[_Union[GetBlockTransactions, _Mapping]] = ..., block_transactions: _Optional[_Union[BlockTransactions, _Mapping]] = ..., public_message: _Optional[_Union[PublicMessage, _Mapping]] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("head_hash", "height", "weight", "finalized")
    HEAD_HASH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    FINALIZED_FIELD_NUMBER: _ClassVar[int]
    head_hash: bytes
    height: int
    weight: bytes
    finalized: int
    def __init__(self, head_hash: _Optional[bytes] = ..., height: _Optional[int] = ..., weight: _Optional[bytes] = ..., finalized: _Optional[int] = ...) -> None: ...

class EngineMessage(_message.Message):
    __slots__ = ("payload", "body")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    body: CompactBody
    def __init__(self, payload: _Optional[bytes] = ..., body: _Optional[_Union[CompactBody, _Mapping]] = ...) -> None: ...

class PublicMessage(_message.Message):
    __slots__ = ("payload", "body")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    body: CompactBody
    def __init__(self, payload: _Optional[bytes] = ..., body: _Optional[_Union[CompactBody, _Mapping]] = ...) -> None: ...

class CompactBody(_message.Message):
    __slots__ = ("short_ids",)
    SHORT_IDS_FIELD_NUMBER: _ClassVar[int]
    short_ids: bytes
    def __init__(self, short_ids: _Optional[bytes] = ...) -> None: ...

class Transactions(_message.Message):
    __slots__ = ("raw",)
    RAW_FIELD_NUMBER: _ClassVar[int]
    raw: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, raw: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Announcement(_message.Message):
    __slots__ = ("verb", "topic", "ids")
    class Verb(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        IHAVE: _ClassVar[Announcement.Verb]
        GRAFT: _ClassVar[Announcement.Verb]
        PRUNE: _ClassVar[Announcement.Verb]
    IHAVE: Announcement.Verb
    GRAFT: Announcement.Verb
    PRUNE: Announcement.Verb
    VERB_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    verb: Announcement.Verb
    topic: int
    ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, verb: _Optional[_Union[Announcement.Verb, str]] = ..., topic: _Optional[int] = ..., ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetHeaders(_message.Message):
    __slots__ = ("request", "locator", "count", "target")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    LOCATOR_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    request: int
    locator: _containers.RepeatedScalarFieldContainer[bytes]
    count: int
    target: bytes
    def __init__(self, request: _Optional[int] = ..., locator: _Optional[_Iterable[bytes]] = ..., count: _Optional[int] = ..., target: _Optional[bytes] = ...) -> None: ...

class Headers(_message.Message):
    __slots__ = ("request", "headers", "certificates")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    request: int
    headers: _containers.RepeatedScalarFieldContainer[bytes]
    certificates: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, request: _Optional[int] = ..., headers: _Optional[_Iterable[bytes]] = ..., certificates: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetBodies(_message.Message):
    __slots__ = ("request", "hashes")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    request: int
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, request: _Optional[int] = ..., hashes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Bodies(_message.Message):
    __slots__ = ("request", "hashes", "bodies")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    BODIES_FIELD_NUMBER: _ClassVar[int]
    request: int
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    bodies: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, request: _Optional[int] = ..., hashes: _Optional[_Iterable[bytes]] = ..., bodies: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetBlockTransactions(_message.Message):
    __slots__ = ("block_hash", "indexes")
    BLOCK_HASH_FIELD_NUMBER: _ClassVar[int]
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    block_hash: bytes
    indexes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, block_hash: _Optional[bytes] = ..., indexes: _Optional[_Iterable[int]] = ...) -> None: ...

class BlockTransactions(_message.Message):
    __slots__ = ("block_hash", "indexes", "raw")
    BLOCK_HASH_FIELD_NUMBER: _ClassVar[int]
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    block_hash: bytes
    indexes: _containers.RepeatedScalarFieldContainer[int]
    raw: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, block_hash: _Optional[bytes] = ..., indexes: _Optional[_Iterable[int]] = ..., raw: _Optional[_Iterable[bytes]] = ...) -> None: ...
