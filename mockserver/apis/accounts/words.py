"""What documents say, in the languages that accounts are billed in; texts are those that Latin-1 can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language; `products` are what a line may be of."""

    invoice: str
    credit_memo: str
    manual_invoice: str
    statement: str
    official: str
    slip: str
    details: str
    summary: str
    number: str
    date: str
    due: str
    account: str
    customer: str
    parent: str
    frequency: str
    contact: str
    site: str
    description: str
    quantity: str
    price: str
    amount: str
    lines: str
    total: str
    credit: str
    page: str
    monthly: str
    quarterly: str
    annually: str
    products: tuple[str, ...]


LANGUAGES: Mapping[str, str] = {
    "English": "EN",
    "German": "DE",
    "French": "FR",
    "Dutch": "NL",
    "Spanish": "ES",
    "Portuguese": "PT",
}
"""The name of a language, as accounts have it, and the suffix of its documents (accounts 4.8, M)"""

_TEXTS = {
    "EN": """
        Invoice | Credit memo | Manual invoice | Statement of account | Official invoice | Payment slip
        Details | Summary | Number | Date | Due date | Account | Customer | Parent account | Billing frequency | Contact
        Site | Description | Quantity | Unit price | Amount | Lines | Total | Credited | Page
        monthly | quarterly | annually
        Cabinet; Power circuit; Cross connect; Network port; Virtual connection; Remote hands, hours
        """,
    "DE": """
        Rechnung | Gutschrift | Manuelle Rechnung | Kontoauszug | Amtliche Rechnung | Zahlschein
        Einzelposten | Zusammenfassung | Nummer | Datum | Fällig am | Konto | Kunde
        Übergeordnetes Konto | Abrechnung | Kontakt
        Standort | Beschreibung | Menge | Einzelpreis | Betrag | Posten | Gesamtbetrag | Gutgeschrieben | Seite
        monatlich | vierteljährlich | jährlich
        Serverschrank; Stromkreis; Querverbindung; Netzwerkanschluss; Virtuelle Verbindung; Technikerstunden
        """,
    "FR": """
        Facture | Avoir | Facture manuelle | Relevé de compte | Facture officielle | Bordereau de paiement
        Détails | Résumé | Numéro | Date | Échéance | Compte | Client | Compte parent | Facturation | Contact
        Site | Désignation | Quantité | Prix unitaire | Montant | Lignes | Total | Crédité | Page
        mensuelle | trimestrielle | annuelle
        Baie; Circuit électrique; Interconnexion; Port réseau; Connexion virtuelle; Heures de technicien
        """,
    "NL": """
        Factuur | Creditnota | Handmatige factuur | Rekeningoverzicht | Officiële factuur | Betaalformulier
        Details | Samenvatting | Nummer | Datum | Vervaldatum | Rekening | Klant
        Bovenliggende rekening | Facturering | Contact
        Locatie | Omschrijving | Aantal | Stukprijs | Bedrag | Regels | Totaal | Gecrediteerd | Pagina
        per maand | per kwartaal | per jaar
        Kast; Stroomgroep; Doorverbinding; Netwerkpoort; Virtuele verbinding; Technicus, uren
        """,
    "ES": """
        Factura | Nota de crédito | Factura manual | Estado de cuenta | Factura oficial | Hoja de pago
        Detalle | Resumen | Número | Fecha | Vencimiento | Cuenta | Cliente | Cuenta principal | Facturación | Contacto
        Centro | Descripción | Cantidad | Precio unitario | Importe | Líneas | Total | Abonado | Página
        mensual | trimestral | anual
        Armario; Circuito eléctrico; Interconexión; Puerto de red; Conexión virtual; Horas de técnico
        """,
    "PT": """
        Fatura | Nota de crédito | Fatura manual | Extrato de conta | Nota fiscal fatura | Boleto
        Detalhes | Resumo | Número | Data | Vencimento | Conta | Cliente | Conta principal | Faturamento | Contato
        Local | Descrição | Quantidade | Preço unitário | Valor | Linhas | Total | Creditado | Página
        mensal | trimestral | anual
        Gabinete; Circuito de energia; Interconexão; Porta de rede; Conexão virtual; Horas de técnico
        """,
}


def _words(text: str) -> Words:
    *single, products = (part.strip() for line in text.strip().splitlines() for part in line.split("|"))
    names = [field.name for field in fields(Words) if field.name != "products"]
    return Words(**dict(zip(names, single, strict=True)), products=tuple(each.strip() for each in products.split(";")))


WORDS: Mapping[str, Words] = {suffix: _words(text) for suffix, text in _TEXTS.items()}
