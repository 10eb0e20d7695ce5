"""The records that billing refers to and has no operations for: accounts, buyers, sellers, agreements and the like.

Each is made when it is needed: because a pin describes it, because something names its id, or because the scenario's
sizes ask for more. What a record does not say is drawn, in keeping with what it does say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from mockserver import ids
from mockserver.apis.billing import pinning
from mockserver.making import Making, check_id
from mockserver.scenario import Pin
from mockserver.store import Record

# What one euro buys; any pair follows from two of them. Made up, and constant, so that sums can be checked by hand.
RATES = {
    "EUR": Decimal(1),
    "USD": Decimal("1.1"),
    "GBP": Decimal("0.85"),
    "CHF": Decimal("0.95"),
    "SEK": Decimal("11.4"),
    "NOK": Decimal("11.6"),
    "DKK": Decimal("7.46"),
    "PLN": Decimal("4.3"),
    "JPY": Decimal("162.5"),
    "AUD": Decimal("1.65"),
}
CURRENCIES = {
    "GB": "GBP",
    "US": "USD",
    "CH": "CHF",
    "SE": "SEK",
    "NO": "NOK",
    "DK": "DKK",
    "PL": "PLN",
    "JP": "JPY",
    "AU": "AUD",
}
KINDS = ("Suite", "Backup", "Security", "Analytics", "Cloud", "Studio", "Insight", "Mail")
PLANS = ("Standard", "Professional", "Enterprise", "Storage", "Support")

# The members that name an account of a certain type.
OF_KIND = {"vendor": "Vendor", "client": "Client"}

ORDER = (
    *("Account", "User", "Token", "Seller", "Product", "Item", "Authorization", "Buyer", "Licensee"),
    *("Agreement", "Subscription", "Asset", "AgreementLine", "Order"),
)
SIZES = {
    "sellers": "Seller",
    "products": "Product",
    "authorizations": "Authorization",
    "buyers": "Buyer",
    "agreements": "Agreement",
    "subscriptions": "Subscription",
    "assets": "Asset",
}


class Catalog:
    """The catalog of a world in the making."""

    def __init__(self, making: Making, pins: Sequence[Pin]) -> None:
        self.making = making
        self.tables = making.api
        self._waiting = [pin for pin in pins if pin.entity in ORDER]
        self._turns: dict[str, int] = {}
        self._drawn: dict[str, Callable[[dict[str, Any], Pin | None], dict[str, Any]]] = {
            "Account": self._account,
            "User": self._user,
            "Token": self._token,
            "Seller": self._seller,
            "Buyer": self._buyer,
            "Licensee": self._licensee,
            "Product": self._product,
            "Item": self._item,
            "Authorization": self._authorization,
            "Agreement": self._agreement,
            "AgreementLine": self._line,
            "Subscription": self._subscription,
            "Asset": self._asset,
            "Order": self._order,
        }

    # Making

    def fill(self) -> None:
        """Everything that is pinned, then as much more as the scenario's sizes ask for."""
        system = {"id": "USR-0000-0000", "name": "System"}
        self.making.world.layer.put("User", system)
        for entity in ORDER:
            for pin in [pin for pin in self._waiting if pin.entity == entity]:
                if pin in self._waiting:  # not made meanwhile, because another pin refers to it
                    self._make_pinned(pin)
        for kind, what in (("Vendor", "vendors"), ("Client", "clients")):
            for _ in range(self.making.size(what) - len(self.accounts(kind))):
                self.make("Account", {"type": kind})
        for what, entity in SIZES.items():
            for _ in range(self.making.size(what) - self._count(entity)):
                self.make(entity, self._spread() if entity == "Agreement" else {})
        for product in list(self._all("Product")):
            if next(self.making.world.layer.where("Item", "product.id", product["id"]), None) is None:
                for _ in range(3):
                    self.make("Item", {"product": product})
        self._rates()

    def make(self, entity: str, said: Mapping[str, Any], id: str | None = None, pin: Pin | None = None) -> Record:
        """A new record: what is said of it (references as records), and what goes with that, drawn."""
        said = dict(said)
        work = self.making.work()
        said["id"] = id or said.get("id") or work.new_id(entity)
        work.commit()
        drawn = self._drawn[entity](said, pin)
        record = over(
            drawn, {name: value for name, value in said.items() if pinning.MEMBERS[entity].get(name) not in ORDER}
        )
        self.making.world.layer.put(entity, record)
        return record

    def need(self, entity: str, word: str, pin: Pin, member: str) -> Record:
        """The record that a pin means by an id or a name; an id that nothing has yet comes into being.

        Raises ScenarioError.
        """
        kind = OF_KIND.get(member) if entity == "Account" else None
        found = self.making.find(entity, word)
        if found is not None:
            if kind is not None and found["type"] != kind:
                raise pin.fault(f"{found['name']} is a {found['type']}; name a {kind} account.", member)
            return found
        for each in self._waiting:
            if each.entity == entity and word in (each.id, each.members.get("name")):
                return self._make_pinned(each)
        if not word.startswith(f"{self.tables.conventions.ids[entity].prefix}-"):
            fitting = self.accounts(kind) if kind else self._all(entity)
            names = [str(record["name"]) for record in fitting if "name" in record]
            known = f"; there are: {', '.join(names)}" if names else ""
            raise pin.fault(f"no {entity} called {word!r}{known}; name one of the file's, or an id.", member)
        return self.make(entity, {"type": kind} if kind else {}, check_id(self.tables, pin, entity, word, member))

    def said(self, pin: Pin) -> dict[str, Any]:
        """What a pin says, its references to the catalog looked up."""
        return {name: self._resolved(pin, name, value) for name, value in pinning.members(pin).items()}

    def ref(self, entity: str, record: Record) -> dict[str, Any]:
        """A reference to a record."""
        return {name: record[name] for name in self.tables.conventions.core[entity] if name in record}

    def accounts(self, kind: str) -> list[Record]:
        """Accounts of a type, oldest first."""
        return [record for record in self._all("Account") if record["type"] == kind]

    def account(self, kind: str) -> Record:
        """An account of a type, each in turn."""
        return self._next(kind, self.accounts(kind)) or self.make("Account", {"type": kind})

    def any(self, entity: str, path: str = "", value: str = "", **said: Any) -> Record:
        """A record of an entity, each in turn, or a new one if there is none (of those whose indexed member equals)."""
        layer = self.making.world.layer
        rows = layer.where(entity, path, value) if path in layer.indexes.get(entity, ()) else layer.all(entity)
        found = [row.record for row in rows if not path or _at(row.record, path) == value]
        return self._next(f"{entity}/{value}", found) or self.make(entity, said)

    # What each is made of

    def _account(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        kind = said.get("type", "Client")
        if kind not in ("Client", "Vendor", "Operations"):
            raise (pin or _nowhere()).fault(
                f"{kind} is no kind of account; there are: Client, Operations, Vendor.", "type"
            )
        name = "Marketplace Operations" if kind == "Operations" else self._company(self._turn_country())
        return {"id": said["id"], "name": name, "type": kind, "status": "Active", "icon": _icon("accounts", said)}

    def _user(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        account = said.get("account") or self.account("Client")
        name = self.making.fake(self._turn_country()).name()
        return {"id": said["id"], "name": name, "icon": _icon("users", said), "account": self.ref("Account", account)}

    def _token(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        account = said.get("account") or self.account("Client")
        return {"id": said["id"], "name": f"{account['name']} integration", "account": self.ref("Account", account)}

    def _seller(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        country = said.get("externalId") or self._turn_country()
        currency = _currency(country)
        # Every second one sells in a second currency as well.
        second = [] if self._count("Seller") % 2 else ["USD" if currency != "USD" else "EUR"]
        number = ids.digits(said["id"])
        return {
            "id": said["id"],
            "name": f"{self._company(country)} Licensing",
            "icon": _icon("sellers", said),
            "externalId": country,
            "status": "Active",
            "currencies": [currency, *second],
            "address": self._address(country),
            "erpLink": {"id": f"ERP-{number[:4]}-{number[4:8]}-0001", "name": f"ERP {country}", "status": "Active"},
        }

    def _buyer(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        client = said.get("client") or self.account("Client")
        country = said.get("address", {}).get("country") or self._turn_country()
        return {
            "id": said["id"],
            "name": self._company(country),
            "icon": _icon("buyers", said),
            "externalIds": {"erpCustomer": self._code(country, "SCU", said["id"])},
            "client": self.ref("Account", client),
            "currency": _currency(country),
            "address": self._address(country),
        }

    def _licensee(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        buyer = said.get("buyer") or self.any("Buyer")
        return {
            "id": said["id"],
            "name": f"{buyer['name']}, {buyer['address']['city']}",
            "icon": _icon("licensees", said),
            "externalId": self._code(_country(buyer), "LIC", said["id"]),
            "buyer": self.ref("Buyer", buyer),
            "client": self.ref("Account", said["client"]) if "client" in said else dict(buyer["client"]),
        }

    def _product(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        vendor = said.get("vendor") or self.account("Vendor")
        kind = KINDS[self._count("Product") % len(KINDS)]
        return {
            "id": said["id"],
            "name": f"{vendor['name'].replace(',', ' ').split()[0]} {kind}",
            "icon": f"/v1/catalog/products/{said['id']}/icon",
            "status": "Published",
            "externalIds": {"operations": f"X{ids.digits(said['id'])[:3]}"},
            "vendor": self.ref("Account", vendor),
        }

    def _item(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        product = said.get("product") or self.any("Product")
        number = sum(1 for _ in self.making.world.layer.where("Item", "product.id", product["id"])) + 1
        operations = f"{product['externalIds'].get('operations', 'X900')}.{number:05d}"
        vendor = f"{product['name'].split()[-1].upper()}-{ids.digits(said['id'])[:4]}-{number}"
        return {
            "id": said["id"],
            "name": f"{product['name']} {PLANS[(number - 1) % len(PLANS)]}",
            "externalIds": {"vendor": vendor, "operations": operations},
            "product": self.ref("Product", product),
        }

    def _authorization(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        vendor = said.get("vendor")
        product = said.get("product") or (self._of_vendor("Product", vendor) if vendor else self.any("Product"))
        owner = said.get("owner") or self.any("Seller")
        currency = said.get("currency") or owner["currencies"][0]
        return {
            "id": said["id"],
            "name": f"{product['name']} {owner['externalId']} {currency}",
            "currency": currency,
            "vendor": self.ref("Account", vendor) if vendor else dict(product["vendor"]),
            "product": self.ref("Product", product),
            "owner": self.ref("Seller", owner),
        }

    def _agreement(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        authorization = said.get("authorization") or self.authorization(said.get("vendor"), said.get("product"))
        licensee = said.get("licensee")
        buyer = said.get("buyer") or (
            self._get("Buyer", licensee["buyer"]) if licensee else self.buyer(said.get("client"))
        )
        seller = said.get("seller") or self.any("Seller")
        licensee = licensee or self.any("Licensee", "buyer.id", buyer["id"], buyer=buyer)
        client = self._get("Account", buyer["client"])
        product = self._get("Product", authorization["product"])
        number = self._count("Agreement")
        made = {
            "id": said["id"],
            "name": f"{product['name']} for {client['name']}",
            "icon": product["icon"],
            "status": "Active",
            "externalIds": {"vendor": f"contract-{ids.digits(said['id'])}"},
            "authorization": self.ref("Authorization", authorization),
            "vendor": dict(authorization["vendor"]),
            "product": dict(authorization["product"]),
            "client": self.ref("Account", client),
            "buyer": self.ref("Buyer", buyer),
            "seller": self.ref("Seller", seller),
            "licensee": self.ref("Licensee", licensee),
            "markup": Decimal((8, 10, 12, 15, 25)[number % 5]),
            "contractNo": self._code(seller["externalId"], "CCO", said["id"]),
        }
        split = said.pop("split", None)
        return made if split is None else {**made, "split": self._split(split, pin)}

    def _line(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        source = said.get("subscription") or said.get("asset")
        agreement = said.get("agreement") or (
            self._get("Agreement", source["agreement"]) if source else self.any("Agreement")
        )
        item = said.get("item") or self.item(agreement)
        refs = {"agreement": self.ref("Agreement", agreement), "item": self.ref("Item", item)}
        for name, entity in (("subscription", "Subscription"), ("asset", "Asset")):
            if name in said:
                refs[name] = self.ref(entity, said[name])
        return {"id": said["id"], **refs}

    def _subscription(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        made = self._source(said, "sub", "subscription")
        split = said.pop("split", None)
        return made if split is None else {**made, "split": self._split(split, pin)}

    def _asset(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        return self._source(said, "asset", "licence")

    def _source(self, said: dict[str, Any], code: str, word: str) -> dict[str, Any]:
        agreement = said.get("agreement") or self.any("Agreement")
        return {
            "id": said["id"],
            "name": f"{agreement['product']['name']} {word}",
            "status": "Active",
            "externalIds": {"vendor": f"{code}-{ids.digits(said['id'])}"},
            "agreement": {"id": agreement["id"]},
            "authorization": {"id": agreement["authorization"]["id"]},
        }

    def _order(self, said: dict[str, Any], pin: Pin | None) -> dict[str, Any]:
        agreement = said.get("agreement") or self.any("Agreement")
        return {
            "id": said["id"],
            "agreement": {"id": agreement["id"]},
            "authorization": {"id": agreement["authorization"]["id"]},
            "externalIds": {"vendor": f"order-{ids.digits(said['id'])}"},
        }

    # Ways through the catalog

    def authorization(self, vendor: Record | None = None, product: Record | None = None) -> Record:
        """An authorization of a vendor, or of a product, or any."""
        if product is not None:
            found = [each for each in self._all("Authorization") if each["product"]["id"] == product["id"]]
            return self._next(f"Authorization/{product['id']}", found) or self.make(
                "Authorization", {"product": product}
            )
        return self.any("Authorization") if vendor is None else self._of_vendor("Authorization", vendor)

    def buyer(self, client: Record | None = None) -> Record:
        """A buyer of a client, or any."""
        return self.any("Buyer") if client is None else self.any("Buyer", "client.id", client["id"], client=client)

    def item(self, agreement: Record) -> Record:
        """An item of an agreement's product."""
        product = self._get("Product", agreement["product"])
        return self.any("Item", "product.id", product["id"], product=product)

    def _of_vendor(self, entity: str, vendor: Record) -> Record:
        found = [each for each in self._all(entity) if each["vendor"]["id"] == vendor["id"]]
        return self._next(f"{entity}/{vendor['id']}", found) or self.make(entity, {"vendor": vendor})

    def _spread(self) -> dict[str, Any]:
        """The next agreement of a grid: every client with every vendor, and each vendor through several sellers."""
        number = self._turn("grid")
        authorizations, clients, sellers = (
            list(self._all("Authorization")),
            self.accounts("Client"),
            list(self._all("Seller")),
        )
        said: dict[str, Any] = {}
        width = max(len(authorizations), 1)
        if authorizations:
            said["authorization"] = authorizations[number % width]
        if clients:
            said["client"] = clients[number // width % len(clients)]
        if sellers:
            said["seller"] = sellers[(number % width + number // width) % len(sellers)]
        buyers = [each for each in self._all("Buyer") if clients and each["client"]["id"] == said["client"]["id"]]
        # One in four is billed to two buyers.
        if number % 4 == 3 and len(buyers) > 1:
            said |= {"buyer": buyers[0], "split": {"active": True, "allocations": _shares(buyers[:2])}}
        return said

    def _split(self, split: Mapping[str, Any], pin: Pin | None) -> dict[str, Any]:
        allocations = []
        for each in split["allocations"]:
            buyer = (
                each["buyer"]
                if not isinstance(each["buyer"], str)
                else self.need("Buyer", each["buyer"], pin or _nowhere(), "split")
            )
            allocations.append({"buyer": self.ref("Buyer", buyer), "percentage": each["percentage"]})
        return {"active": split["active"], "allocations": allocations}

    def _rates(self) -> None:
        """A rate for every pair of currencies that can meet."""
        for purchase, one in RATES.items():
            for sale, other in RATES.items():
                if purchase != sale:
                    rate = (other / one).quantize(Decimal("1e-10")).normalize()
                    self.making.world.layer.put("ExchangeRate", {"id": f"{purchase}-{sale}", "rate": rate})

    # Small draws

    def _company(self, country: str) -> str:
        return str(self.making.fake(country).company())

    def _address(self, country: str) -> dict[str, str]:
        fake = self.making.fake(country)
        address = {"addressLine1": fake.street_address().replace("\n", ", "), "postCode": fake.postcode()}
        return address | {"city": fake.city(), "state": "N/A", "country": country}

    def _code(self, country: str, kind: str, id: str) -> str:
        """A code of the ERP, e.g. NL-SCU-100100; its digits follow from the id."""
        return f"{country}-{kind}-{ids.digits(id)[-8:]}"

    def _turn_country(self) -> str:
        countries = self.making.countries
        return countries[self._turn("country") % len(countries)]

    def _turn(self, name: str) -> int:
        turn = self._turns.get(name, 0)
        self._turns[name] = turn + 1
        return turn

    def _next(self, name: str, found: Sequence[Record]) -> Record | None:
        return found[self._turn(name) % len(found)] if found else None

    def _all(self, entity: str) -> Any:
        return (row.record for row in self.making.world.layer.all(entity))

    def _count(self, entity: str) -> int:
        return sum(1 for _ in self.making.world.layer.all(entity))

    def _get(self, entity: str, ref: Mapping[str, Any]) -> Record:
        record = self.making.world.layer.get(entity, ref["id"])
        assert record is not None, f"{entity} {ref['id']} is referred to and was made before"
        return record

    def _make_pinned(self, pin: Pin) -> Record:
        self._waiting.remove(pin)
        id = check_id(self.tables, pin, pin.entity, pin.id) if pin.id is not None else None
        return self.make(pin.entity, self.said(pin), id, pin)

    def _resolved(self, pin: Pin, name: str, value: Any) -> Any:
        kind = pinning.MEMBERS[pin.entity][name]
        return self.need(kind, value, pin, name) if isinstance(kind, str) and kind in ORDER else value


def over(drawn: dict[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What was drawn, with what is said laid over it, objects member by member."""
    merged = dict(drawn)
    for name, value in said.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = over(merged[name], value) if both else value
    return merged


def _at(record: Record, path: str) -> Any:
    value: Any = record
    for name in path.split("."):
        value = value.get(name, {})
    return value


def _icon(plural: str, said: Mapping[str, Any]) -> str:
    return f"/v1/accounts/{plural}/{said['id']}/icon"


def _currency(country: str) -> str:
    return CURRENCIES.get(country, "EUR")


def _country(buyer: Record) -> str:
    return str(buyer["address"]["country"])


def _shares(buyers: Sequence[Record]) -> list[dict[str, Any]]:
    return [{"buyer": buyers[0], "percentage": Decimal(60)}, {"buyer": buyers[1], "percentage": Decimal(40)}]


def _nowhere() -> Pin:
    """A stand-in where no pin is at fault."""
    return Pin("", None, {}, "scenario", "")
