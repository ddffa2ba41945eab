"""Every text of the page by its key, in English and in Spanish, and how months, amounts and times are written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from flows.page.spanish import in_spanish
from flows.page.texts_books import BOOKS
from flows.page.texts_work import WORK
from steps import catalog

_TEXTS = {
    "app": ("Sync Management", "Sincronización"),
    "skip": ("Skip to the content", "Ir al contenido"),
    "nav": ("Views", "Vistas"),
    "sandbox": ("SANDBOX", "SANDBOX"),
    "sandbox.why": (
        "Invented data of an academy that does not exist",
        "Datos inventados de una academia que no existe",
    ),
    "language.other": ("Español", "English"),
    "theme.dark": ("Dark", "Oscuro"),
    "theme.light": ("Light", "Claro"),
    "logout": ("Log out", "Salir"),
    "login.title": ("Log in", "Entrar"),
    "login.token": ("Access token", "Clave de acceso"),
    "login.enter": ("Enter", "Entrar"),
    "login.hint": (
        "The token is the one that the administrator gave you.",
        "La clave es la que te dio el administrador.",
    ),
    "login.wrong": ("This token is not the right one.", "Esta clave no es la correcta."),
    "login.slow": (
        "Too many wrong tokens: wait a minute and try again.",
        "Demasiadas claves erróneas: espera un minuto y prueba otra vez.",
    ),
    "role.read": ("reads", "lee"),
    "role.operate": ("operates", "opera"),
    "role.close": ("closes", "cierra"),
    "step.services": (catalog.SERVICES.name, "Sincronizar servicios"),
    "step.services.what": (catalog.SERVICES.description, "Importa los servicios de Holded"),
    "step.invoices": (catalog.INVOICES.name, "Sincronizar facturas"),
    "step.invoices.what": (catalog.INVOICES.description, "Importa facturas y clientes de Holded"),
    "step.crm-clients": (catalog.CRM_CLIENTS.name, "Sincronizar clientes del CRM"),
    "step.crm-clients.what": (catalog.CRM_CLIENTS.description, "Importa los estudiantes de los clientes de 4Geeks"),
    "step.service-periods": (catalog.SERVICE_PERIODS.name, "Sincronizar periodos de servicio"),
    "step.service-periods.what": (
        catalog.SERVICE_PERIODS.description,
        "Importa las matrículas de los clientes de 4Geeks",
    ),
    "step.notion-external-id": (catalog.NOTION_EXTERNAL_ID.name, "Sincronizar páginas de Notion"),
    "step.notion-external-id.what": (
        catalog.NOTION_EXTERNAL_ID.description,
        "Importa los identificadores de página de los clientes en Notion",
    ),
    "step.accruals": (catalog.ACCRUALS.name, "Procesar devengos"),
    "step.accruals.what": (catalog.ACCRUALS.description, "Procesa los devengos de los contratos del periodo elegido"),
    "months.short": (
        "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        "ene feb mar abr may jun jul ago sep oct nov dic",
    ),
    "months.long": (
        "January February March April May June July August September October November December",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    ),
    "integration.holded": ("Holded", "Holded"),
    "integration.fourgeeks": ("4Geeks", "4Geeks"),
    "integration.notion": ("Notion", "Notion"),
    "integration.accruals": ("Accruals", "Devengos"),
    "entity.invoice": ("Invoice", "Factura"),
    "entity.credit_note": ("Credit note", "Abono"),
    "entity.contact": ("Contact", "Contacto"),
    "entity.service": ("Service", "Servicio"),
    "entity.student": ("Student", "Estudiante"),
    "entity.enrollment": ("Enrollment", "Matrícula"),
    "entity.service_period": ("Service period", "Periodo de servicio"),
    "entity.page": ("Notion page", "Página de Notion"),
    "entity.service_contract": ("Contract", "Contrato"),
    "step": ("Step", "Paso"),
    "year": ("Year", "Año"),
    "reason": ("Reason", "Motivo"),
    "once": ("once", "una vez"),
    "all": ("All", "Todos"),
    "close": ("Close", "Cerrar"),
    "cancel": ("Cancel", "Cancelar"),
    "more": ("Show more", "Ver más"),
    "status.pending": ("waiting", "en espera"),
    "status.running": ("running", "en curso"),
    "status.completed": ("completed", "completada"),
    "status.failed": ("failed", "fallida"),
    "error.pending": ("pending", "pendiente"),
    "error.resolved": ("resolved", "resuelto"),
    "error.ignored": ("ignored", "ignorado"),
    "state.completed": ("done", "hecho"),
    "state.failed": ("failed", "fallido"),
    "state.missing": ("missing", "falta"),
    "state.stale": ("out of date", "desactualizado"),
    "state.running": ("running", "en curso"),
    "why.missing": ("never run", "no se ha ejecutado nunca"),
    "why.early": ("read before the month was over", "se leyó antes de que acabara el mes"),
    "why.changed": (
        "{name} has changed something since: execution {id}",
        "{name} ha cambiado algo después: ejecución {id}",
    ),
    "run.title": ("Run a step", "Ejecutar un paso"),
    "run.start": ("First month", "Primer mes"),
    "run.once": (
        "This step reads everything at once; it has no months.",
        "Este paso lo lee todo de una vez; no va por meses.",
    ),
    "run.override": (
        "Accrue although the import is broken: reason",
        "Devengar aunque la importación esté rota: motivo",
    ),
    "run.override.why": (
        "Leave it empty, unless a refused month is to be accrued all the same.",
        "Déjalo vacío, salvo para devengar un mes rechazado de todos modos.",
    ),
    "run.execute": ("Execute", "Ejecutar"),
    "run.stage.waits-for-worker": (
        "{step}: waits for a worker; none is online",
        "{step}: espera a un trabajador; no hay ninguno conectado",
    ),
    "run.stage.waits-for-run": ("{step}: waits for the run {other}", "{step}: espera a la ejecución {other}"),
    "run.stage.starting": ("{step}: starting", "{step}: arrancando"),
    "run.progress": ("{done} of {total} ended", "{done} de {total} terminadas"),
    "run.done": ("{step}: {total} of {total} completed", "{step}: {total} de {total} completadas"),
    "run.failed": ("{step}: {failed} of {total} failed", "{step}: {failed} de {total} fallidas"),
    "run.failed.more": ("and {count} more reasons", "y {count} motivos más"),
    "refused": ("Refused", "No aceptado"),
    "run.latest": ("This run", "Esta ejecución"),
    "grid.title": ("Where each step stands", "Cómo está cada paso"),
    "grid.legend": ("What the signs mean", "Qué significan los signos"),
    "grid.hint": (
        "Point at a month to see why it stands so; choose it to run it. Arrow keys move.",
        "Señala un mes para ver por qué está así; elígelo para ejecutarlo. Las flechas mueven.",
    ),
    "keys": ("Keys", "Teclas"),
    "keys.search": ("Search a contract", "Buscar un contrato"),
    "keys.sheet": ("This sheet", "Esta hoja"),
    "keys.move": ("Move between steps and months", "Moverse entre pasos y meses"),
    "keys.submit": ("Do what a dialog is for", "Hacer lo que ofrece un diálogo"),
    "keys.close": ("Close a dialog", "Cerrar un diálogo"),
    "history.status": ("Status", "Estado"),
    "history.run": ("Run", "Ejecución"),
    "history.count": ("Steps and months", "Pasos y meses"),
    "history.since": ("From", "Desde"),
    "history.until": ("Up to, included", "Hasta, incluido"),
    "history.none": ("No execution fits.", "Ninguna ejecución encaja."),
    "execution.started": ("Started", "Inicio"),
    "execution.ended": ("Ended", "Fin"),
    "execution.took": ("Took", "Duración"),
    "execution.result": ("Result", "Resultado"),
    "execution.nothing": ("Nothing to do", "Nada que hacer"),
    "execution.notices": ("To look at", "Para revisar"),
    "execution.notice": ("Contract {contract}, {kind}: ", "Contrato {contract}, {kind}: "),
    "execution.override": ("Override", "Excepción"),
    "execution.override.by": ("Who", "Quién"),
    "execution.overridden.none": ("Nothing had to be overridden.", "No hizo falta ninguna excepción."),
    "notice.past_month_locked": ("closed month", "mes cerrado"),
    "notice.period_over_but_active": ("period over and still active", "periodo terminado y aún activo"),
    "notice.missing_crm_data": ("nothing in the CRM", "sin datos en el CRM"),
    "notice.not_congruent_status": ("statuses contradict each other", "estados contradictorios"),
    "notice.accrued_before_enrollment": ("accrued before the enrollment", "devengado antes de la matrícula"),
    "notice.import_outdated": ("import out of date", "importación desactualizada"),
    "notice.import_not_recorded": ("import not recorded", "importación no registrada"),
    "execution.errors": ("Records that could not be applied", "Registros que no se pudieron aplicar"),
    "execution.errors.none": ("No record was refused.", "No se rechazó ningún registro."),
    "execution.prefect": ("Open the run in Prefect", "Abrir la ejecución en Prefect"),
    "errors.met.once": ("Met once, {first}", "Visto una vez, {first}"),
    "errors.met": (
        "Met {count} times, first {first}, last {last}",
        "Visto {count} veces, la primera {first}, la última {last}",
    ),
    "errors.select": ("Select error {id}", "Seleccionar el error {id}"),
    "errors.chosen": ("{count} selected", "{count} seleccionado|{count} seleccionados"),
    "errors.resolve": ("Resolve", "Resolver"),
    "errors.ignore": ("Ignore", "Ignorar"),
    "errors.retry": ("Try again", "Reintentar"),
    "errors.retry.why": (
        "Reads the selected records again; what is corrected resolves itself.",
        "Lee otra vez los registros elegidos; lo que ya esté bien se resuelve solo.",
    ),
    "errors.nothing": ("Select at least one error first.", "Selecciona antes al menos un error."),
    "errors.payload": ("The vendor's record", "El registro del proveedor"),
    "errors.payload.of": ("The vendor's record of error {id}", "El registro del proveedor del error {id}"),
    "errors.csv": ("Download CSV", "Descargar CSV"),
    "accruals.title": ("Accruals of {year}", "Devengos de {year}"),
    "accruals.none": ("Nothing was invoiced or accrued in this year.", "En este año no se facturó ni se devengó nada."),
    "accruals.chart": (
        "Accrued in each month by service, deferred at its end, {currency}. The table below has the figures.",
        "Devengado en cada mes por servicio, diferido a su final, {currency}. La tabla de abajo tiene las cifras.",
    ),
    "accruals.chart.deferred": ("Deferred at its end", "Diferido a su final"),
    "accruals.table": ("Roll-forward of deferred revenue, {currency}", "Evolución del ingreso diferido, {currency}"),
    "accruals.month": ("Month", "Mes"),
    "accruals.opening": ("Opening", "Inicial"),
    "accruals.late": ("Late", "Tardío"),
    "accruals.adjusted": ("Adjusted", "Ajustado"),
    "accruals.invoiced": ("Invoiced", "Facturado"),
    "accruals.credited": ("Credited", "Abonado"),
    "accruals.accrued": ("Accrued", "Devengado"),
    "accruals.closing": ("Closing", "Final"),
    "accruals.ties": ("Ties out to the cent.", "Cuadra al céntimo."),
    "accruals.differs": (
        "Does not tie out: look at the months marked with a cross.",
        "No cuadra: mira los meses marcados con un aspa.",
    ),
    "accruals.download": ("Downloads", "Descargas"),
    "accruals.sheet": ("Accruals per contract", "Devengos por contrato"),
    "accruals.roll": ("Roll-forward", "Evolución"),
    "closing.open": ("open", "abierto"),
    "closing.closed": ("closed", "cerrado"),
    "closing.close": ("Close {month}", "Cerrar {month}"),
    "closing.reopen": ("Reopen {month}", "Reabrir {month}"),
    "closing.free": (
        "Nothing is in the way. A closed month never changes again.",
        "Nada lo impide. Un mes cerrado ya no cambia nunca.",
    ),
    "closing.later": (
        "Every closed month after it is opened too.",
        "También se abren todos los meses cerrados que le siguen.",
    ),
    "closing.who": ("Your name", "Tu nombre"),
    "closing.reason": ("Remark", "Observación"),
    "closing.no_name": ("A name is needed: it stays in the books.", "Hace falta un nombre: queda en los libros."),
    "result.processed": ("processed", "procesados"),
    "result.created": ("created", "creados"),
    "result.updated": ("updated", "actualizados"),
    "result.skipped": ("skipped", "omitidos"),
    "result.voided": ("voided", "anulados"),
    "result.vanished": ("gone", "desaparecidos"),
    "result.closed": ("closed", "cerrados"),
    "result.canceled": ("canceled", "cancelados"),
    "result.services": ("services", "servicios"),
    "result.invoices": ("invoices", "documentos"),
    "result.clients": ("clients", "clientes"),
    "result.students": ("students", "estudiantes"),
    "result.periods": ("periods", "periodos"),
    "result.pages": ("pages", "registros de Notion"),
    "result.contracts": ("contracts", "contratos"),
    "result.total_contracts_processed": ("contracts processed", "contratos procesados"),
    "result.successful_accruals": ("accrued", "devengados"),
    "result.failed_accruals": ("failed", "fallidos"),
    "result.skipped_accruals": ("skipped", "omitidos"),
    "result.errors": ("errors", "errores"),
    "result.other_errors": ("other errors", "otros errores"),
    "result.clients_looked_for": ("clients looked for", "clientes buscados"),
    "result.clients_not_found": ("clients not found", "clientes no encontrados"),
    "result.amount_accrued": ("amount accrued", "importe devengado"),
    "seconds": ("{seconds} s", "{seconds} s"),
}
"""Key -> English, Spanish; `{names}` are filled in; `|` parts the text of one from that of another count."""


class Language(StrEnum):
    """The languages there are; the value is a part of every view's address."""

    EN = "en"
    ES = "es"

    @property
    def other(self) -> "Language":
        """The one that the switch leads to."""
        return Language.ES if self is Language.EN else Language.EN


_ALL = _TEXTS | BOOKS | WORK
TEXTS: Mapping[Language, Mapping[str, str]] = {
    Language.EN: {key: english for key, (english, _) in _ALL.items()},
    Language.ES: {key: spanish for key, (_, spanish) in _ALL.items()},
}
_SWAPPED = str.maketrans(",.", ".,")
_WRITTEN = re.compile(r"(?<![\w.,'-])(20\d\d-(0[1-9]|1[0-2])|\d+\.\d\d)(?![\w.,'-]\w)")
"""Months and amounts within a message, and not within an id, a date or a vendor's own text."""
_MONTH, _AMOUNT = re.compile(r"20\d\d-(0[1-9]|1[0-2])"), re.compile(r"-?\d+\.\d\d")


@dataclass(frozen=True)
class Texts:
    """One language, and the zone that moments are shown in."""

    language: Language
    zone: ZoneInfo

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key, its `{names}` filled in."""
        one, _, more = TEXTS[self.language][key].partition("|")
        count = next((values[name] for name in ("count", "total", "days") if name in values), None)
        return (one if count == 1 or not more else more).format(**values)

    def known(self, key: str) -> str | None:
        """The text of a key that may not be there, such as that of a count which only one step has."""
        return TEXTS[self.language].get(key)

    def said(self, message: str) -> str | None:
        """What a step, a rule or a vendor said, in this language; None: it is not known in it."""
        if self.language is Language.EN:
            return _WRITTEN.sub(lambda found: self._filled(found[0]), message)
        return in_spanish(message, self._filled)

    def _filled(self, blank: str) -> str:
        """What stands in a blank of a message, as it is written here: a month, an amount, a step."""
        if _MONTH.fullmatch(blank):
            return self.month(date.fromisoformat(f"{blank}-01"), long=True)
        if _AMOUNT.fullmatch(blank):
            return self.money(Decimal(blank)) if Decimal(blank) else self.zero
        return self.known(f"step.{blank}") or blank

    def month(self, month: date, *, long: bool = False) -> str:
        """`Mar 2024`, or `March 2024`."""
        return f"{self.month_name(month, long=long)} {month.year}"

    def month_name(self, month: date, *, long: bool = False) -> str:
        """`Mar`, or `March`."""
        return self("months.long" if long else "months.short").split()[month.month - 1]

    def step_run(self, step_id: str, month: date | None) -> str:
        """A step and its month, as people call them; an old execution may be of a step that is not known any more."""
        name = self.known(f"step.{step_id}") or step_id
        return f"{name}, {self.month(month, long=True)}" if month else name

    def entity(self, entity_type: str) -> str:
        """What a record is called; its own name for a kind that has no text."""
        return self.known(f"entity.{entity_type}") or entity_type.replace("_", " ")

    def money(self, amount: Decimal) -> str:
        """Two decimals, thousands apart; a dash for zero, so that the eye finds what is there."""
        text = f"{amount:,.2f}" if amount else "-"
        return text.translate(_SWAPPED) if self.language is Language.ES else text

    def amount(self, amount: Decimal, currency: str) -> str:
        """`1,234.50 EUR`: nothing is ever shown, or added, without its currency."""
        return f"{self.money(amount) if amount else self.zero} {currency}"

    @property
    def zero(self) -> str:
        """Where a dash would be no answer."""
        return "0,00" if self.language is Language.ES else "0.00"

    def amounts(self, amounts: Mapping[str, Decimal]) -> str:
        """Each currency's, side by side."""
        return " · ".join(self.amount(amount, currency) for currency, amount in amounts.items() if amount)

    def moment(self, moment: datetime | None) -> str:
        """Day and time in the academy's zone."""
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M:%S}" if moment else ""


def preferred_language(accept_language: str) -> Language:
    """The first of a browser's languages that the page speaks; English if none is."""
    for part in accept_language.split(","):
        if (code := part.strip()[:2].lower()) in set(Language):
            return Language(code)
    return Language.EN
