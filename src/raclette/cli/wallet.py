"""`raclette wallet`: keys that never leave this machine unencrypted."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from raclette.cli.app import app, examples
from raclette.cli.output import Json, console, one_line_errors, print_json, print_table
from raclette.cli.purse import Account, Purse, passphrase_from, read_secret, shown
from raclette.primitives.errors import ConfigError, Misuse
from raclette.primitives.keys import AccountKey
from raclette.primitives.keystore import WrongPassphrase, decrypt_key

group = typer.Typer(help="Create, import and list accounts (encrypted keystores).", no_args_is_help=True)
app.add_typer(group, name="wallet", rich_help_panel="Use")

Name = Annotated[str, typer.Argument(help="A name for the account: a-z, 0-9 and -.")]
Folder = Annotated[
    Path | None,
    typer.Option("--wallet", help="Folder of the keystores (default: $RACLETTE_WALLET or ~/.raclette/wallet)."),
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
        console.print(
            f"{account.name}: {shown(account)['address']}\nkept in {account.path}", soft_wrap=True, markup=False
        )


@group.command(epilog=examples("raclette wallet new alice"))
@one_line_errors
def new(name: Name, wallet: Folder = None, json: bool = Json) -> None:
    """Make a new account. The passphrase is asked for (or taken from $RACLETTE_PASSPHRASE)."""
    purse = Purse(wallet)
    purse.check_free(name)
    _tell(purse.create(name, passphrase_from(ask_new_passphrase)), json)


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
    purse = Purse(wallet)
    purse.check_free(name)
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or 'not text'}") from None
    if text.lstrip().startswith("{"):
        passphrase = passphrase_from(ask_passphrase)
        key = _decrypted(file, text, passphrase)
    else:
        try:
            key = read_secret(text)
        except Misuse as error:
            raise ConfigError(f"{file}: {error}") from None
        passphrase = passphrase_from(ask_new_passphrase)
    _tell(purse.keep(name, key, passphrase), json)


def _decrypted(file: Path, text: str, passphrase: str) -> AccountKey:
    try:
        return decrypt_key(json_module.loads(text), passphrase)
    except json_module.JSONDecodeError as error:
        raise ConfigError(f"{file} is not a keystore: {error}") from None
    except WrongPassphrase:
        raise WrongPassphrase(f"wrong passphrase for {file}") from None
    except Misuse as error:
        raise ConfigError(f"{file}: {error}") from None


@group.command("list", epilog=examples("raclette wallet list --json"))
@one_line_errors
def list_(wallet: Folder = None, json: bool = Json) -> None:
    """List the accounts."""
    purse = Purse(wallet)
    accounts = [shown(account) for account in purse.accounts()]
    if json:
        print_json(accounts)
    elif accounts:
        print_table("", ("name", "address"), ((entry["name"], entry["address"]) for entry in accounts))
        console.print(f"in {purse.folder}", soft_wrap=True, markup=False)
    else:
        console.print(
            f"no accounts in {purse.folder}: `raclette wallet new NAME` makes one", soft_wrap=True, markup=False
        )


@group.command(epilog=examples("raclette wallet use alice"))
@one_line_errors
def use(name: Name, wallet: Folder = None, json: bool = Json) -> None:
    """Choose the account that `send` and `inbox` use where --from does not say."""
    _tell(Purse(wallet).choose(name), json)
