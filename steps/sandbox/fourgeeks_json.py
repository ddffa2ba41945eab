"""The academy's people in the shape of the 4Geeks CRM's JSON."""

from steps.sandbox.campus import Academy, Cohort, Enrollment, Student, User
from steps.sandbox.clock import crm_time
from steps.sandbox.exchange import Json

SPAIN: Json = {"id": "es", "code": "es", "name": "Spain"}


def student(record: Student, academy: Academy) -> Json:
    """A row of the student and member lists."""
    role = record.role
    return {
        "id": record.id, "first_name": record.first_name, "last_name": record.last_name,
        "user": _profile_user(record.user) if record.user else None,
        "academy": {"id": academy.id, "name": academy.name, "slug": academy.slug},
        "role": {"id": role, "slug": role, "display_slug": role.rsplit("_", 1)[0] if role[-1].isdigit() else role,
                 "name": role.split("_")[0].title()},
        "created_at": crm_time(record.created_at), "email": record.email, "address": None, "phone": record.phone,
        "status": record.status,
    }  # fmt: skip


def student_detail(record: Student, academy: Academy, base_url: str) -> Json:
    """One profile: the user gains `github`, the whole an invitation link."""
    row = student(record, academy)
    if record.user is not None:
        github = record.user.github
        avatar = f"https://avatars.example.org/u/{record.user.id}"
        known = {"avatar_url": avatar, "name": record.first_name, "username": github} if github else None
        row["user"] = row["user"] | {"github": known}
    return row | {"invite_url": f"{base_url}/auth/academy/html/invite"}


def enrollment(record: Enrollment, profile: Student | None) -> Json:
    """A row of the list of enrolments; spoiled fields win."""
    row: Json = {
        "id": record.id, "user": _enrolled_user(record.user), "cohort": _embedded_cohort(record.cohort),
        "role": record.role, "finantial_status": record.financial_status,
        "educational_status": record.educational_status, "watching": False, "created_at": crm_time(record.created_at),
        "updated_at": crm_time(record.updated_at), "profile_academy": _embedded_profile(profile),
        "completion": _completion(), "source_macro_cohort": _macro_cohort(record.macro_cohort),
    }  # fmt: skip
    return row | dict(record.raw)


def enrollment_detail(record: Enrollment, profile: Student | None) -> Json:
    """One enrolment; only here is there a log, of free form."""
    return enrollment(record, profile) | {"history_log": {}}


def cohort(record: Cohort, academy: Academy) -> Json:
    """A row of the list of cohorts, and the detail, which is the same."""
    ends = record.ending_at is not None
    syllabus = {name: value for name, value in _syllabus(record).items() if name != "id"} | {
        "status": "PUBLISHED", "duration_in_hours": 320, "duration_in_days": 48, "week_hours": 9, "github_url": None,
        "logo": None, "private": False,
    }  # fmt: skip
    return _cohort_head(record) | {
        "never_ends": not ends, "remote_available": True, "private": False, "language": "es", "current_day": 0,
        "current_module": None, "online_meeting_url": None, "timezone": "Europe/Madrid" if ends else None,
        "schedule": {"id": 9, "name": "Mon/Wed", "schedule_type": "PART-TIME", "description": "Tardes", "syllabus": 12},
        "syllabus_version": syllabus if ends else None, "academy": _whole_academy(academy), "timeslots": [],
        "is_hidden_on_prework": True, "available_as_saas": not ends,
        "micro_cohorts": [
            {"id": part.id, "name": part.name, "slug": part.slug, "syllabus_version": None}
            for part in record.micro_cohorts
        ],
    }  # fmt: skip


def _macro_cohort(record: Cohort | None) -> Json | None:
    return None if record is None else {"id": record.id, "slug": record.slug, "name": record.name}


def _cohort_head(record: Cohort) -> Json:
    return {
        "id": record.id, "slug": record.slug, "name": record.name, "kickoff_date": crm_time(record.kickoff_at),
        "ending_date": crm_time(record.ending_at) if record.ending_at else None, "stage": record.stage,
        "shortcuts": None,
    }  # fmt: skip


def _embedded_cohort(record: Cohort) -> Json:
    ends = record.ending_at is not None
    return _cohort_head(record) | {
        "available_as_saas": not ends, "micro_cohorts": [part.id for part in record.micro_cohorts],
        "syllabus_version": _syllabus(record) if ends else None,
    }  # fmt: skip


def _syllabus(record: Cohort) -> Json:
    slug = {"FS": "full-stack", "DS": "data-science", "CS": "cybersecurity", "AIE": "ai-engineering"}
    kind = slug.get(record.service_type, "other")
    return {"id": 41, "version": 3, "slug": kind, "name": kind.replace("-", " ").title(), "syllabus": 12}


def _user(record: User) -> Json:
    return {"id": record.id, "first_name": record.first_name, "last_name": record.last_name, "email": record.email}


def _profile_user(record: User) -> Json:
    """In the auth endpoints `profile` is null when there is none."""
    return _user(record) | {"profile": {"avatar_url": None} if record.has_profile else None}


def _enrolled_user(record: User) -> Json:
    """Here the key `profile` is left out when there is none."""
    row = _user(record) | {"last_login": crm_time(record.last_login) if record.last_login else None}
    if not record.has_profile:
        return row
    profile = {"id": record.id - 8690, "avatar_url": None, "show_tutorial": True, "github_username": record.github}
    return row | {"profile": profile}


def _embedded_profile(record: Student | None) -> Json | None:
    if record is None:
        return None
    names = {"first_name": record.first_name, "last_name": record.last_name}
    return {"id": record.id, **names, "email": record.email, "phone": record.phone}


def _completion() -> Json:
    return {
        "strategy": {"type": "NO_COMPLETION_STRATEGY", "source": "legacy", "requirements": {}}, "is_complete": False,
        "used_macro_override": False, "overall": {"total": 0, "completed": 0, "percent": 0}, "required": {},
        "pending_required_slugs": {}, "pending_required_count": 0,
    }  # fmt: skip


def _whole_academy(record: Academy) -> Json:
    city = record.name.split()[0]
    return {
        "id": record.id, "slug": record.slug, "name": record.name, "country": SPAIN,
        "city": {"id": 1, "name": city, "country": SPAIN}, "logo_url": None, "is_hidden_on_prework": True,
        "main_currency": {"code": "EUR", "name": "Euro"},
    }  # fmt: skip
