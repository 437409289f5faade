"""`raclette wallet`: keys that never leave this machine unencrypted."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from raclette.cli.app import app, examples
from raclette.cli.output import Json, console, one_line_errors, print_json, print_table
from raclette.cli.purse import Account, Purse, passphrase_from, read_secret, shown
from raclette.primitives.errors import ConfigError
from raclette.primitives.keystore import decrypt_key

group = typer.Typer(help="Create, import and list accounts (encrypted keystores).", no_args_is_help=True)
app.add_typer(group, name="wallet", rich_help_panel="Use")

Name = Annotated[str, typer.Argument(help="A name for the account: a-z, 0-9 and -.")]
Folder = Annotated[
    Path | None,
    typer.Option("--wallet", help="Folder of the keystores [default: $RACLETTE_WALLET or ~/.raclette/wallet]."),
]


def ask_new_passphrase() -> str:
    """Twice, hidden."""
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True))


def ask_passphrase() -> str:
    """Once, hidden."""
    return str(typer.prompt("Passphrase", hide_input=True))


def _tell(account: Account, json: bool) -> None:
    if json:
        print_json(shown(account))
    else:
        console.print(f"{account.name}: [bold]{shown(account)['address']}[/bold]\nkept in {account.path}")


@group.command(epilog=examples("raclette wallet new alice"))
@one_line_errors
def new(name: Name, wallet: Folder = None, json: bool = Json) -> None:
    """Make a new account. The passphrase is asked for (or taken from $RACLETTE_PASSPHRASE)."""
    _tell(Purse(wallet).create(name, passphrase_from(ask_new_passphrase)), json)


@group.command(
    "import",
    epilog=examples("raclette wallet import bob UTC--2026--keystore.json", "raclette wallet import carol key.txt"),
)
@one_line_errors
def import_(
    name: Name,
    file: Annotated[Path, typer.Argument(help="A V3 keystore of any wallet, or a file with 64 hex digits.")],
    wallet: Folder = None,
    json: bool = Json,
) -> None:
    """Import an account from a keystore or a private key file."""
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None
    passphrase = passphrase_from(ask_passphrase)
    key = decrypt_key(json_module.loads(text), passphrase) if text.lstrip().startswith("{") else read_secret(text)
    _tell(Purse(wallet).keep(name, key, passphrase), json)


@group.command("list", epilog=examples("raclette wallet list --json"))
@one_line_errors
def list_(wallet: Folder = None, json: bool = Json) -> None:
    """List the accounts."""
    purse = Purse(wallet)
    accounts = [shown(account) for account in purse.accounts()]
    if json:
        print_json(accounts)
    elif accounts:
        print_table("", ("name", "address", "file"), (entry.values() for entry in accounts))
    else:
        console.print(f"no accounts in {purse.folder}: `raclette wallet new NAME` makes one")
