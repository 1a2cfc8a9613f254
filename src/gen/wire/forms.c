/* The versions that two neighbours have in common; see forms.h. */
#include "gen/wire/forms.h"

#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "gen/wire/wire.h"
#include "net/tls_snapshot.h"

/* ---- what this program speaks ------------------------------------------------ */

/* The faults: a program that has left the protocol of today behind, and one that speaks
 * a further version.  Either is so for its whole life. */
static mo_versions own_protocol(void)
{
	static mo_versions own;

	if (own.lowest > 0)
		return own;
	own = (mo_versions){ MO_WIRE_PROTOCOL_LOWEST, MO_WIRE_PROTOCOL };
	if (MO_FAULT("step", "protocol", -1) < 0)
		own = (mo_versions){ MO_WIRE_PROTOCOL + 1, MO_WIRE_PROTOCOL + 2 };
	else if (MO_FAULT("step", "newer", -1) < 0)
		own.highest++;
	return own;
}

/* The forms of this program; how many.  The faults: a program of before, which says
 * nothing of TLS, and one that has left the forms of today behind. */
static size_t own_forms(const mo_gen_host *host, const mo_gen_form **out)
{
	static mo_gen_form own[MO_GEN_FORMS];
	static size_t n;

	*out = own;
	if (n > 0)
		return n;
	if (MO_FAULT("step", "tls", -1) == 0)
		own[n++] =
			(mo_gen_form){ MO_FORM_TLS, { MO_SNAPSHOT_VERSION, MO_SNAPSHOT_VERSION } };
	n += host->forms(own + n, MO_GEN_FORMS - n);
	if (MO_FAULT("step", "forms", -1) < 0)
		for (size_t i = 0; i < n; i++)
			own[i].versions.lowest = ++own[i].versions.highest;
	return n;
}

/* ---- naming it ---------------------------------------------------------------- */

/* The lowest stands under the name that programs before the ranges know. */
static void name_range(json_t *body, const char *name, const char *highest, mo_versions v)
{
	json_object_set_new(body, name, json_integer(v.lowest));
	json_object_set_new(body, highest, json_integer(v.highest));
}

void mo_forms_name_protocol(json_t *body)
{
	name_range(body, "protocol", "protocol_highest", own_protocol());
}

void mo_forms_name(json_t *body, const mo_gen_host *host)
{
	const mo_gen_form *own;
	size_t n = own_forms(host, &own);
	json_t *others = json_object();

	mo_forms_name_protocol(body);
	for (size_t i = 0; i < n; i++)
		if (strcmp(own[i].name, MO_FORM_TLS) == 0)
			name_range(body, "tls_state", "tls_state_highest", own[i].versions);
		else
			json_object_set_new(others, own[i].name,
					    json_pack("[i, i]", own[i].versions.lowest,
						      own[i].versions.highest));
	json_object_set_new(body, "forms", others);
}

/* ---- reading it ---------------------------------------------------------------- */

static mo_versions named_form(const json_t *body, const char *name)
{
	const json_t *forms = json_object_get(body, "forms"), *one;

	if (strcmp(name, MO_FORM_TLS) == 0)
		return mo_json_versions(body, "tls_state", "tls_state_highest");
	if (!forms)
		return (mo_versions){ 1, 1 };
	one = json_object_get(forms, name);
	return (mo_versions){ mo_json_version(json_array_get(one, 0)),
			      mo_json_version(json_array_get(one, 1)) };
}

static mo_versions named_protocol(const json_t *body)
{
	return mo_json_versions(body, "protocol", "protocol_highest");
}

void mo_forms_read(mo_forms *f, const json_t *body, const mo_gen_host *host)
{
	const mo_gen_form *own;

	*f = (mo_forms){ .protocol = mo_versions_common(own_protocol(), named_protocol(body)),
			 .n = own_forms(host, &own) };
	for (size_t i = 0; i < f->n; i++) {
		f->form[i].name = own[i].name;
		f->form[i].version =
			mo_versions_common(own[i].versions, named_form(body, own[i].name));
	}
}

char *mo_forms_refuse(const json_t *body, const char *who)
{
	mo_versions own = own_protocol(), named = named_protocol(body);
	char *theirs, *ours, *why;

	if (mo_versions_common(own, named))
		return NULL;
	theirs = mo_versions_text(named);
	ours = mo_versions_text(own);
	why = mo_fmt("%s speaks handover protocol %s, this program %s", who, theirs, ours);
	free(theirs);
	free(ours);
	return why;
}

int mo_forms_version(const mo_forms *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->form[i].name, name) == 0)
			return f->form[i].version;
	return 0;
}
