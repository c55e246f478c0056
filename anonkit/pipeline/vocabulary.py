"""Words by which operators name their columns: English, Azerbaijani, Turkish and Russian.

A name is folded before it is looked at: small letters, no accents, words joined by underscores. Names are a hint for a
first recipe and nothing more: **what a column holds is looked at by value wherever it could be published**
(`sources.ids`, the gate).
"""

from __future__ import annotations

import re
import unicodedata

LETTERS = str.maketrans({"ə": "e", "ı": "i", "ø": "o", "ß": "ss", "ł": "l"})


def _words(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words))


STARTS = _words(
    *("start", "begin", "pick_?up", "^pu", "(^|_)from", "orig", "depart", "check_?out", "created", "arrival_time"),
    *("connect", "basla", "goturme", "minme", "kalkis", "cixis", "начал", "старт", "отправ", "посадк", "откуда"),
)
ENDS = _words(
    *("end", "stop", "drop", "^do", "(^|_)to(_|$)", "dest", "finish", "arriv", "return", "disconnect", "done"),
    *("bitme", "bitis", "bitir", "(^|_)son(_|$)", "dusme", "catma", "varis", "inis", "teslim"),
    *("конец", "оконч", "заверш", "прибыт", "высадк", "(^|_)куда"),
)
NOT_STARTS = _words("(^|_)end", "stop_?time", "stop_?date", "drop", "disconnect")
"""What a start's word may stand beside in the name of an end."""
TIMES = _words("time", "date", "_at$", "stamp", "created", "ended", "started", "_s$", "vaxt", "saat", "tarix", "zaman")
DIRECT = _words(
    *("(^|_)(sur|first_?|last_?|full_?|user_?|nick_?)?name(_|$)", "e_?mail", "(^|_)(tele)?phone", "mobile", "msisdn"),
    *("(^|_)card_?(number|no)?(_|$)", "iban", "passport", "(^|_)ip(_|$)", "(^|_)mac(_|$)", "device", "address"),
    *("licen[cs]e", "photo", "comment", "(^|_)notes?(_|$)", "feedback", "birth", "(^|_)tax_?(id|no|number)(_|$)"),
    *("(^|_)fin(_|$)", "cookie", "gender", "(^|_)sex(_|$)", "(^|_)url(_|$)", "(^|_)(soy)?ad(i|lar)?(_|$)", "(^|_)isim"),
    *("telefon", "(^|_)mobil", "e_?post", "e_?poct", "unvan", "adres", "(^|_)qeyd(_|l|$)", "(^|_)serh", "(^|_)rey"),
    *("yorum", "aciklama", "dogum", "(^|_)cins(i|iyyet)?(_|$)", "sexsiyyet", "kart_?n", "pasport", "vesiqe"),
    *("(^|_)имя", "фамили", "отчеств", "(^|_)фио(_|$)", "телефон", "почт", "адрес", "коммент", "примечан"),
    *("паспорт", "рожден"),
)
DRIVERS = _words("driver", "chauffeur", "taxi_?id", "courier", "surucu", "sofor", "(^|_)sofer", "водител", "курьер")
PERSONS = _words(
    *("user(_?id|_?no|_?number|_?hash|_?uuid)?$", "rider", "person", "customer", "client", "account", "member"),
    *("caller", "call$", "passenger(_?id|_?no|_?hash|_?uuid)?$", "card_?token", "subscriber_?id", "musteri"),
    *("sernisin", "istifadeci", "kullanici", "(^|_)yolcu(_|$)", "abone", "клиент", "пассажир", "пользовател"),
)
VEHICLES = _words(
    "(bike|vehicle|scooter|car|plate|medallion|charger|evse|port|space)_?(id|number|no)?$",
    *("avtomobil", "(^|_)masin", "(^|_)arac(_|$)", "skuter", "plaka", "nisani$", "машин", "автомоб", "самокат"),
    *("госномер", "велосипед"),
)
TRIPS = _words(
    "(trip|ride|rental|order|journey|session|transaction|booking)_?(id|number|no|uuid)?$",
    "(sifaris|gedis|sefer|icare|siparis|yolculuk)_?(id|no|kodu|nomresi)?$",
    "(заказ|поездк|рейс|аренд)[а-я]{0,2}(_?(id|номер|код))?$",
    "номер_(заказ|поездк|рейс)",
)
PLACES = _words(
    r"(location|zone|station|stop|area|place|district|tract)_?(id|number|no|code)?$",
    "(stansiya|dayanacaq|durak|istasyon|bolge|rayon|erazi|станци|остановк|район|зона)[а-я]{0,2}(_?(id|no|kodu|код))?$",
)
OF_PLACES = _words("station", "stop", "place", "zone", "location", "dayanacaq", "stansiya", "durak", "istasyon")
LONGITUDE = _words("(^|_)(lon|lng|long)(_|$)", "longitude", "lng$", "uzunluq", "boylam", "долгот")
LATITUDE = _words("(^|_)lat(_|$)", "latitude", "enlik", "enlem", "широт")
MEASURES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("duration_s", _words("duration", "seconds", "minutes", "elapsed", "muddet", "(^|_)sure(_|$|si)", "длительн")),
    ("distance_m", _words("distance", "length", "miles", "km$", "metres", "meters", "mesafe", "расстоян", "пробег")),
    ("amount", _words("^(fare|price|amount|cost|dollars|total)", "qiymet", "mebleg", "tutar", "ucret", "fiyat")),
    ("amount", _words("цена", "сумма", "стоимост")),
    ("energy_kwh", _words("kwh", "energy", "enerji", "энерг")),
)
UNITS: tuple[tuple[str, re.Pattern[str], float], ...] = (
    ("distance_m", _words("(^|_)miles?(_|$)", "(^|_)mi$"), 1609.344),
    ("distance_m", _words("(^|_)km(_|$)", "kilomet", "(^|_)км(_|$)"), 1000.0),
    ("distance_m", _words("(^|_)m$", "met(re|er)s?(_|$)", "(^|_)м$"), 1.0),
    ("duration_s", _words("minute", "(^|_)min(_|$)", "deqiqe", "dakika", "минут"), 60.0),
    ("duration_s", _words("second", "_sec?s?$", "saniye", "секунд"), 1.0),
)
"""Measure, word, and what a number is multiplied by."""


def fold(name: str) -> str:
    """A column's name in small letters without accents, words joined by underscores.

    >>> fold("From station id"), fold("PULocationID"), fold("startLat"), fold("Müştəri telefonu"), fold("Məsafə (km)")
    ('from_station_id', 'pulocation_id', 'start_lat', 'musteri_telefonu', 'mesafe_km')
    >>> fold("Время начала")
    'время_начала'
    """
    split = re.sub(r"([a-z])([A-Z])", r"\1_\2", name)
    plain = "".join(
        letter
        if "\u0400" <= letter <= "\u04ff"
        else "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
        for letter in split.lower().translate(LETTERS)
    )
    return re.sub(r"[^a-z0-9\u0400-\u04ff]+", "_", plain).strip("_")


def side(name: str) -> str:
    """``start``, ``end`` or nothing, as the name of a column says.

    >>> side("tpep_pickup_datetime"), side("Stoptime"), side("Son enlik"), side("Tarif")
    ('start', 'end', 'end', '')
    """
    plain = fold(name)
    if STARTS.search(plain) and not NOT_STARTS.search(plain):
        return "start"
    return "end" if ENDS.search(plain) else ""


def factor(measure: str, name: str) -> float | None:
    """What turns a measure into metres or seconds, by the unit in its name; None where the name has none.

    >>> factor("distance_m", "trip_miles"), factor("distance_m", "Məsafə (km)"), factor("duration_s", "TripDuration")
    (1609.344, 1000.0, None)
    """
    return next((times for of, word, times in UNITS if of == measure and word.search(fold(name))), None)
