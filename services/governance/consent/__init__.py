"""Consent: what people allow, noted and listed; every service heeds it by libs.consent."""
